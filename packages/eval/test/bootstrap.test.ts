/** The bootstrap over users: its quick forms against the plain one, and both against theory. */
import { InputError } from '@crossgate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  auc,
  bootstrapClicks,
  bootstrapUsers,
  deLongTest,
  meanBootstrap,
  pairedBootstrapTest,
  seededRandom,
  uauc,
} from '../src/index';

const row = fc.record({ user: fc.nat(5), label: fc.nat(1), score: fc.nat(4), base: fc.nat(4) });

/** `count` numbers near normal, with mean 0 and variance 1: the sum of twelve uniform ones. */
function nearNormal(count: number, seed: number): number[] {
  const random = seededRandom(seed);
  const one = () => random.below(2 ** 32) / 2 ** 32 - 0.5;
  return Array.from({ length: count }, () => Array.from({ length: 12 }, one).reduce((sum, value) => sum + value, 0));
}

describe('bootstrapClicks', () => {
  it('equals bootstrapUsers with auc and uauc, with ties, one-class users and a base', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 30 }), fc.boolean(), fc.nat(), (rows, paired, seed) => {
        const [user, label] = [rows.map((one) => one.user), rows.map((one) => one.label)];
        const [score, base] = [rows.map((one) => one.score), rows.map((one) => one.base)];
        const options = { samples: 20, seed };
        const quick = bootstrapClicks({ user, label, score, ...(paired ? { base } : {}) }, options);
        const plain = (
          metric: (take: (column: number[]) => number[], ids: Int32Array) => (s: number[]) => number | null,
        ) =>
          bootstrapUsers(
            user,
            (sample) => {
              const take = (column: number[]) => Array.from(sample.rows, (index) => column[index]!);
              const of = metric(take, sample.user);
              const [a, b] = [of(score), paired ? of(base) : 0];
              return a === null || b === null ? null : a - b;
            },
            options,
          );
        const expected = {
          auc: plain((take) => (s) => auc(take(label), take(s))),
          uauc: plain((take, ids) => (s) => uauc({ user: ids, label: take(label), score: take(s) }).uauc),
        };
        for (const name of ['auc', 'uauc'] as const) {
          const [a, b] = [quick[name], expected[name]];
          expect(a.samples).toBe(b.samples);
          const flat = ({ estimate, standardError, interval, replicates }: typeof a) => [
            estimate,
            standardError,
            ...(interval ?? []),
            ...replicates,
          ];
          for (const [index, value] of flat(a).entries()) {
            const other = flat(b)[index]!;
            if (value === null || other === null) expect(value).toBe(other);
            else expect(value).toBeCloseTo(other, 12);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('draws the same users for two models, so that their resamples make the paired differences', () => {
    const rows = { user: [1, 1, 2, 2, 3, 3, 3], label: [1, 0, 1, 0, 1, 0, 0] };
    const [score, base] = [
      [3, 1, 1, 2, 5, 4, 6],
      [1, 2, 4, 3, 2, 9, 1],
    ];
    const [a, b] = [score, base].map((values) => bootstrapClicks({ ...rows, score: values! }, { samples: 30 }).auc);
    const paired = bootstrapClicks({ ...rows, score: score!, base: base! }, { samples: 30 }).auc.replicates;
    expect(paired).toEqual(a!.replicates.map((value, sample) => value! - b!.replicates[sample]!));
    expect(new Set(paired).size).toBeGreaterThan(5);
  });

  it('gives a difference of exactly 0 against itself, and names bad rows', () => {
    const rows = { user: [1, 1, 2, 2], label: [1, 0, 1, 0], score: [3, 1, 1, 2] };
    const { auc: difference } = bootstrapClicks({ ...rows, base: rows.score }, { samples: 50 });
    expect(difference).toMatchObject({ estimate: 0, standardError: 0, interval: [0, 0] });
    expect(() => bootstrapClicks({ ...rows, base: [1, 2, Number.NaN, 1] })).toThrow(/^row 2: score must be a number/);
    expect(() => bootstrapClicks({ ...rows, user: [1] })).toThrow(/user has 1 entries for 4 labels/);
  });
});

describe('bootstrapUsers', () => {
  it('gives the standard error of a mean over users, and widens it when rows of one user repeat', () => {
    const values = nearNormal(200, 3);
    const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
    const theory = Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) / values.length);
    const user = [...values.keys()];
    const options = { samples: 2000, seed: 5 };
    const result = bootstrapUsers(user, ({ rows }) => mean(Array.from(rows, (index) => values[index]!)), options);
    expect(result.estimate).toBeCloseTo(mean(values), 14);
    expect(result.standardError! / theory).toBeCloseTo(1, 1);
    expect((result.interval![1] - result.estimate!) / theory).toBeCloseTo(1.96, 0);
    // Every row four times under the same user: no more information, so the same interval.
    const again = bootstrapUsers(
      [...user, ...user, ...user, ...user],
      ({ rows }) => mean(Array.from(rows, (index) => values[index % 200]!)),
      options,
    );
    expect(again.standardError).toBeCloseTo(result.standardError!, 12);
  });

  it('covers the truth about as often as its level says', () => {
    let covered = 0;
    for (let world = 0; world < 200; world++) {
      const values = nearNormal(40, 1000 + world);
      const { interval } = bootstrapUsers(
        [...values.keys()],
        ({ rows }) => rows.reduce((sum, index) => sum + values[index]!, 0) / rows.length,
        { samples: 200, seed: world, level: 0.9 },
      );
      if (interval![0] <= 0 && interval![1] >= 0) covered++;
    }
    // 180 expected; the percentile interval of 40 values is a little short.
    expect(covered).toBeGreaterThan(160);
    expect(covered).toBeLessThan(195);
  });

  it('repeats with the seed, and leaves out undefined resamples', () => {
    const run = (seed: number) => bootstrapUsers([1, 2, 3], ({ rows }) => rows[0]! + rows[1]!, { seed, samples: 30 });
    expect(run(4)).toEqual(run(4));
    expect(run(4)).not.toEqual(run(5));
    expect(bootstrapUsers(['a', 'b'], () => null, { samples: 5 })).toEqual({
      estimate: null,
      standardError: null,
      replicates: [null, null, null, null, null],
      interval: null,
      samples: 0,
    });
    const some = bootstrapUsers([1, 2], ({ rows }) => (rows[0] === rows[1] ? null : 7), { samples: 100 });
    expect(some.samples).toBeGreaterThan(20);
    expect(some.samples).toBeLessThan(80);
    expect(some.interval).toEqual([7, 7]);
  });

  it('numbers a user drawn twice as two users', () => {
    bootstrapUsers(['x', 'x', 'y'], ({ rows, user }) => {
      const starts = [...user.keys()].filter((place) => user[place] !== user[place - 1]);
      expect(starts).toHaveLength(2);
      expect(rows).toHaveLength(user.length);
      return 0;
    });
  });

  it('refuses settings out of range', () => {
    for (const options of [{ samples: 0 }, { level: 1 }, { seed: 0.5 }]) {
      expect(() => bootstrapUsers([1], () => 1, options)).toThrow(InputError);
    }
  });
});

describe('seededRandom', () => {
  it('equals the published algorithm, step by step in big integers', () => {
    const mask = 0xffffffffn;
    const rotate = (word: bigint, by: bigint) => ((word << by) | (word >> (32n - by))) & mask;
    let mixed = 42n;
    const splitmix = () => {
      mixed = (mixed + 0x9e3779b9n) & mask;
      let word = mixed;
      word = ((word ^ (word >> 16n)) * 0x21f0aaadn) & mask;
      word = ((word ^ (word >> 15n)) * 0x735a2d97n) & mask;
      return word ^ (word >> 15n);
    };
    const state = [splitmix(), splitmix(), splitmix(), splitmix()] as [bigint, bigint, bigint, bigint];
    const random = seededRandom(42);
    for (let step = 0; step < 50; step++) {
      const expected = (rotate((state[1] * 5n) & mask, 7n) * 9n) & mask;
      const shifted = (state[1] << 9n) & mask;
      state[2] ^= state[0];
      state[3] ^= state[1];
      state[1] ^= state[2];
      state[0] ^= state[3];
      state[2] ^= shifted;
      state[3] = rotate(state[3], 11n);
      expect(random.below(2 ** 32)).toBe(Number(expected));
    }
    expect(() => random.below(0)).toThrow(InputError);
  });
});

describe('meanBootstrap', () => {
  const rows = { user: [1, 1, 2, 2, 3, 3, 3], label: [1, 0, 1, 0, 1, 0, 0] };
  const scores = [
    [3, 1, 1, 2, 5, 4, 6],
    [1, 2, 4, 3, 2, 9, 1],
  ];
  const [a, b] = scores.map((score) => bootstrapClicks({ ...rows, score }, { samples: 30 }).auc);

  it('is the mean of the runs on each resample, and one run is itself', () => {
    const both = meanBootstrap([a!, b!]);
    expect(both.estimate).toBeCloseTo((a!.estimate! + b!.estimate!) / 2, 12);
    for (const [sample, value] of both.replicates.entries())
      expect(value).toBeCloseTo((a!.replicates[sample]! + b!.replicates[sample]!) / 2, 12);
    // As wide as the mean varies: less than either, as their errors differ.
    expect(both.standardError!).toBeLessThan(Math.max(a!.standardError!, b!.standardError!));
    expect(meanBootstrap([a!])).toEqual(a);
    const gap = { estimate: null, replicates: a!.replicates.map((value, sample) => (sample === 3 ? null : value)) };
    expect(meanBootstrap([a!, gap])).toMatchObject({ estimate: null, samples: 29 });
  });

  it('refuses no runs, and runs of other resamples', () => {
    expect(() => meanBootstrap([])).toThrow('at least one run is needed');
    const fewer = bootstrapClicks({ ...rows, score: scores[0]! }, { samples: 20 }).auc;
    expect(() => meanBootstrap([a!, fewer])).toThrow('20 resamples cannot be paired with 30');
  });
});

describe('pairedBootstrapTest', () => {
  it('gives the interval of the differences, and a p-value that is small where they agree', () => {
    const of = Array.from({ length: 999 }, (_, sample) => 0.6 + (sample % 10) / 100);
    const lower = of.map((value, sample) => value - 0.01 - (sample % 3) / 1000);
    const { interval, pValue, samples } = pairedBootstrapTest(of, lower)!;
    expect(interval[0]).toBeCloseTo(0.01, 12);
    expect(interval[1]).toBeCloseTo(0.012, 12);
    expect([pValue, samples]).toEqual([2 / 1000, 999]);
    expect(pairedBootstrapTest(of, of)).toEqual({ interval: [0, 0], pValue: 1, samples: 999 });
    expect(pairedBootstrapTest([1, null, 2], [0, 1, null])).toMatchObject({ interval: [1, 1], samples: 1 });
    expect(pairedBootstrapTest([null], [1])).toBeNull();
    expect(() => pairedBootstrapTest([1, 2], [1])).toThrow('1 resamples cannot be paired with 2');
  });

  it('is not sure of a difference that one user with many rows makes, where a test over rows is', () => {
    // One user of 400 rows whom only a ranks well, nine of four rows who are ranked alike.
    const columns = { user: [] as number[], label: [] as number[], a: [] as number[], b: [] as number[] };
    for (let user = 0; user < 10; user++) {
      for (let index = 0; index < (user === 0 ? 400 : 4); index++) {
        const label = index % 2;
        columns.user.push(user);
        columns.label.push(label);
        columns.a.push(user === 0 ? label + (index % 7) / 5 : index % 3);
        columns.b.push(index % 3);
      }
    }
    const { user, label } = columns;
    const [a, b] = [columns.a, columns.b].map((score) => bootstrapClicks({ user, label, score }).auc);
    expect(deLongTest(label, columns.a, columns.b)!.pValue).toBeLessThan(1e-6);
    expect(pairedBootstrapTest(a!.replicates, b!.replicates)!.pValue).toBeGreaterThan(0.1);
  });
});
