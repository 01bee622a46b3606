/** Ranking metrics against hand-computed values and brute force; top-K lists and sampled candidates. */
import { InputError } from '@crossgate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { perUserRanking, rankingMetrics, sampleCandidates, seededRandom, topItems } from '../src/index';

const list = (size: number) => fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: size });

describe('rankingMetrics', () => {
  it('equals values computed by hand', () => {
    const lists = {
      // User 0 hits at ranks 1 and 3 of 4 wanted; user 1 has nothing to hit; user 2 misses; user 3 has a short list.
      recommended: [Int32Array.of(1, 2, 3), [4, 5, 6], [7, 8, 9], [5]],
      relevant: [Int32Array.of(3, 1, 10, 11), [], [1], [5, 5]],
    };
    const ndcg = (1 + 1 / Math.log2(4)) / (1 + 1 / Math.log2(3) + 1 / Math.log2(4));
    const close = (value: number) => expect.closeTo(value, 14);
    expect(rankingMetrics(lists, { k: 3, items: 14 })).toEqual({
      k: 3,
      users: 3,
      usersWithoutRelevant: 1,
      recall: close((0.5 + 0 + 1) / 3),
      precision: close((2 / 3 + 0 + 1 / 3) / 3),
      ndcg: close((ndcg + 0 + 1) / 3),
      mrr: close((1 + 0 + 1) / 3),
      map: close(((1 + 2 / 3) / 3 + 0 + 1) / 3),
      hit: close(2 / 3),
      coverage: close(7 / 14),
    });
    expect(rankingMetrics(lists, { k: 3, mapDivisor: 'relevant' })).toMatchObject({
      map: close(((1 + 2 / 3) / 4 + 0 + 1) / 3),
      coverage: null,
    });
    // Cut at 1, only the first of each list counts.
    expect(rankingMetrics(lists, { k: 1, items: 14 })).toMatchObject({
      recall: close((1 / 4 + 1) / 3),
      precision: close(2 / 3),
      ndcg: close(2 / 3),
      coverage: close(3 / 14),
    });
  });

  it('equals the definitions, item by item', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(list(8), list(6)), { maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        (users, k) => {
          const perUser = perUserRanking(
            { recommended: users.map(([r]) => r), relevant: users.map(([, r]) => r) },
            { k },
          );
          const kept = [...users.keys()].filter((index) => users[index]![1].length > 0);
          expect(Array.from(perUser.index)).toEqual(kept);
          for (const [place, index] of kept.entries()) {
            const [recommended, relevant] = users[index]!;
            const hitAt = Array.from({ length: k }, (_, place) => relevant.includes(recommended[place] ?? -1));
            const discounted = (flags: boolean[]) =>
              flags.reduce((sum, flag, place) => sum + (flag ? Math.LN2 / Math.log(place + 2) : 0), 0);
            const hits = hitAt.filter(Boolean).length;
            const ideal = Array.from({ length: k }, (_, place) => place < relevant.length);
            const precisions = hitAt.map((flag, place) =>
              flag ? hitAt.slice(0, place + 1).filter(Boolean).length / (place + 1) : 0,
            );
            expect(perUser.recall[place]).toBeCloseTo(hits / relevant.length, 12);
            expect(perUser.precision[place]).toBeCloseTo(hits / k, 12);
            expect(perUser.ndcg[place]).toBeCloseTo(discounted(hitAt) / discounted(ideal), 12);
            expect(perUser.reciprocalRank[place]).toBe(hits === 0 ? 0 : 1 / (hitAt.indexOf(true) + 1));
            expect(perUser.averagePrecision[place]).toBeCloseTo(
              precisions.reduce((sum, value) => sum + value, 0) / Math.min(k, relevant.length),
              12,
            );
            expect(perUser.hit[place]).toBe(hits > 0 ? 1 : 0);
          }
        },
      ),
    );
  });

  it('is 1 for a perfect list, and null without anything to find', () => {
    expect(rankingMetrics({ recommended: [[3, 1]], relevant: [[1, 3]] }, { k: 2 })).toMatchObject({
      recall: 1,
      precision: 1,
      ndcg: 1,
      mrr: 1,
      map: 1,
      hit: 1,
    });
    expect(rankingMetrics({ recommended: [[3]], relevant: [[]] }, { k: 2, items: 3 })).toMatchObject({
      users: 0,
      recall: null,
      map: null,
      coverage: null,
    });
  });

  it('refuses what would give wrong numbers', () => {
    const bad = (recommended: number[][], relevant: number[][], options: { k: number; items?: number }) => () =>
      rankingMetrics({ recommended, relevant }, options);
    expect(bad([[1, 1]], [[1]], { k: 2 })).toThrow(/^user 0: item 1 is recommended twice in the first 2/);
    expect(bad([[1, 1]], [[1]], { k: 2 })).toThrow(expect.objectContaining({ name: 'InputError' }));
    expect(bad([[1]], [], { k: 1 })).toThrow(/recommended has lists of 1 users, relevant of 0/);
    expect(bad([[1]], [[1]], { k: 0 })).toThrow(InputError);
    expect(bad([[1, 2]], [[1]], { k: 2, items: 1 })).toThrow(/2 distinct items are recommended, of 1 in all/);
  });
});

describe('topItems', () => {
  it('equals a full sort by score, then id, with ties and exclusions', () => {
    const score = fc.oneof(fc.nat(3), fc.constantFrom(-Infinity, Infinity, -0));
    fc.assert(
      fc.property(
        fc.array(score, { maxLength: 30 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.nat(30)),
        (scores, k, exclude) => {
          const expected = [...scores.keys()]
            .filter((item) => item > 0 && !exclude.includes(item))
            .sort((a, b) => (scores[a] === scores[b] ? a - b : scores[a]! < scores[b]! ? 1 : -1))
            .slice(0, k);
          expect(Array.from(topItems(scores, { k, exclude }))).toEqual(expected);
        },
      ),
    );
  });

  it('orders ties by id wherever the target stands', () => {
    expect(Array.from(topItems([1, 1, 1], { k: 2, items: [9, 4, 7] }))).toEqual([4, 7]);
    expect(Array.from(topItems([1, 1, 1], { k: 2, items: [4, 7, 9] }))).toEqual([4, 7]);
  });

  it('refuses NaN and unequal lengths', () => {
    expect(() => topItems([0, Number.NaN], { k: 1 })).toThrow(/^item 1: score must be a number, got NaN/);
    expect(() => topItems([1], { k: 1, items: [1, 2] })).toThrow(/items has 2 entries for 1 scores/);
    expect(() => topItems([1], { k: 1.5 })).toThrow(InputError);
  });
});

describe('sampleCandidates', () => {
  it('gives the targets, then distinct negatives that are not excluded', () => {
    fc.assert(
      fc.property(fc.integer(), list(4), list(6), fc.nat(12), (seed, targets, exclude, negatives) => {
        const free = 12 - new Set([...targets, ...exclude]).size;
        const draw = () => sampleCandidates(targets, { items: 12, negatives, exclude, random: seededRandom(seed) });
        if (negatives > free) {
          expect(draw).toThrow(new RegExp(`only ${free} items are left`));
          return;
        }
        const candidates = Array.from(draw());
        expect(candidates.slice(0, targets.length)).toEqual(targets);
        const drawn = candidates.slice(targets.length);
        expect(new Set(drawn).size).toBe(negatives);
        expect(drawn.every((item) => item >= 1 && item <= 12)).toBe(true);
        expect(drawn.filter((item) => targets.includes(item) || exclude.includes(item))).toEqual([]);
        expect(Array.from(draw())).toEqual(candidates);
      }),
    );
  });

  it.each([
    ['few of many', 2],
    ['most of them', 8],
  ])('draws uniformly: %s', (_, negatives) => {
    const random = seededRandom(7);
    const count = new Float64Array(11);
    const rounds = 4000;
    for (let round = 0; round < rounds; round++) {
      for (const item of sampleCandidates([1], { items: 10, negatives, random }).subarray(1)) count[item]!++;
    }
    const share = negatives / 9;
    const deviation = Math.sqrt(rounds * share * (1 - share));
    for (let item = 2; item <= 10; item++)
      expect(Math.abs(count[item]! - rounds * share)).toBeLessThan(4.5 * deviation);
  });

  it('does not stall when nearly all of many items are excluded', () => {
    const exclude = Array.from({ length: 199_990 }, (_, index) => index + 1);
    const drawn = sampleCandidates([], { items: 200_000, negatives: 5, exclude, random: seededRandom(1) });
    expect(drawn.every((item) => item > 199_990)).toBe(true);
    expect(new Set(drawn).size).toBe(5);
  });
});
