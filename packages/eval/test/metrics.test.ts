/** Click metrics against hand-computed values, brute force, and the published figures. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auc, evaluateClicks, logLoss, perUserAuc, relativeImprovement, uauc } from '../src/index';

/** Few distinct scores, so that ties abound; zeros of both signs and infinities among them. */
const scoreValue = fc.oneof(fc.constantFrom(-0, 0, 0.5, -1, 2, Infinity, -Infinity), fc.double({ noNaN: true }));
const row = fc.record({ user: fc.nat(4), label: fc.nat(1), score: scoreValue, seen: fc.nat(1) });
const rowsOf = (rows: { user: number; label: number; score: number; seen: number }[]) => ({
  user: rows.map((entry) => entry.user),
  label: rows.map((entry) => entry.label),
  score: rows.map((entry) => entry.score),
  seen: rows.map((entry) => entry.seen),
});

function bruteForceAuc(label: readonly number[], score: readonly number[]): number | null {
  let won = 0;
  let pairs = 0;
  for (const [p, labelP] of label.entries()) {
    for (const [n, labelN] of label.entries()) {
      if (labelP !== 1 || labelN !== 0) continue;
      pairs++;
      const [a, b] = [score[p] as number, score[n] as number];
      won += a > b ? 1 : a === b ? 0.5 : 0;
    }
  }
  return pairs === 0 ? null : won / pairs;
}

describe('auc', () => {
  it('equals values computed by hand', () => {
    expect(auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])).toBe(0.75);
    expect(auc([1, 0, 1, 0], [3, 3, 3, 3])).toBe(0.5);
    expect(auc([1, 0, 0], [2, 2, 1])).toBe(0.75);
    expect(auc([1, 0], [0, -0])).toBe(0.5);
    expect(auc([0, 1], [-Infinity, Infinity])).toBe(1);
    expect(auc(Uint8Array.of(1, 0), Float32Array.of(-1, 1))).toBe(0);
    expect(auc([1, 1], [0, 1])).toBeNull();
    expect(auc([], [])).toBeNull();
  });

  it('equals brute force over all pairs', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), (rows) => {
        const { label, score } = rowsOf(rows);
        const expected = bruteForceAuc(label, score);
        const actual = auc(label, score);
        if (expected === null) expect(actual).toBeNull();
        else expect(actual).toBeCloseTo(expected, 12);
      }),
    );
  });

  it('names the row of bad values', () => {
    expect(() => auc([1, 0], [1, Number.NaN])).toThrow(/^row 1: score must be a number, got NaN/);
    expect(() => auc([1, 2], [1, 1])).toThrow(/^row 1: label must be 0 or 1, got 2/);
    expect(() => auc([1, 0], [1])).toThrow(/^score has 1 entries for 2 labels/);
    expect(() => auc([1], [Number.NaN])).toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  it('is exact and quick on a million rows', () => {
    const rows = 1_000_000;
    const label = Uint8Array.from({ length: rows }, (_, index) => index & 1);
    // Positive k has score k + 1, negative k has score k: positive k beats negatives 0 … k and ties with k + 1.
    const score = Float64Array.from({ length: rows }, (_, index) => (index >> 1) + (index & 1));
    const half = rows / 2;
    const won = (half * (half + 1)) / 2 + (half - 1) / 2;
    expect(auc(label, score)).toBe(won / (half * half));
  });
});

describe('uauc', () => {
  it('is the unweighted mean over users with both classes', () => {
    const rows = {
      user: ['a', 'b', 'a', 'b', 'c', 'c', 'd', 'b'],
      label: [1, 1, 0, 0, 1, 1, 0, 0],
      score: [2, 5, 1, 5, 9, 8, 7, 6],
    };
    expect(uauc(rows)).toEqual({ uauc: (1 + 0.25) / 2, users: 2 });
    expect(perUserAuc(rows)[1]).toEqual({ user: 'b', rows: 3, positives: 1, auc: 0.25 });
    expect(uauc({ user: [1, 2], label: [1, 0], score: [1, 2] })).toEqual({ uauc: null, users: 0 });
    expect(() => uauc({ user: [1], label: [1, 0], score: [1, 2] })).toThrow(/^user has 1 entries/);
  });

  it('equals the AUC of each user alone', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        const perUser = [...new Set(rows.map((entry) => entry.user))].map((user) => {
          const own = rowsOf(rows.filter((entry) => entry.user === user));
          return bruteForceAuc(own.label, own.score);
        });
        const defined = perUser.filter((value) => value !== null);
        const result = uauc(rowsOf(rows));
        expect(result.users).toBe(defined.length);
        if (defined.length === 0) expect(result.uauc).toBeNull();
        else expect(result.uauc).toBeCloseTo(defined.reduce((sum, value) => sum + value, 0) / defined.length, 12);
      }),
    );
  });
});

describe('logLoss', () => {
  it('equals values computed by hand, clips, and is null for what is no probability', () => {
    expect(logLoss([1, 0], [0.8, 0.4])).toBeCloseTo(-(Math.log(0.8) + Math.log(0.6)) / 2, 14);
    expect(logLoss([1], [0])).toBeCloseTo(-Math.log(1e-15), 10);
    expect(logLoss([0], [1])).toBeCloseTo(-Math.log(1e-15), 10);
    expect(logLoss([1], [1])).toBeCloseTo(1e-15, 16);
    expect(logLoss([1, 0], [0.5, 1.5])).toBeNull();
    expect(logLoss([1, 0], [-0.1, 0.5])).toBeNull();
    expect(logLoss([], [])).toBeNull();
  });
});

describe('relativeImprovement', () => {
  it("gives the paper's percentages (Table 3)", () => {
    const percent = (metric: number, base: number) => ((relativeImprovement(metric, base) as number) * 100).toFixed(2);
    expect(percent(0.7295, 0.6482)).toBe('54.86');
    expect(percent(0.7315, 0.6482)).toBe('56.21');
    expect(percent(0.7526, 0.7078)).toBe('21.56');
    expect(percent(0.7025, 0.7427)).toBe('-16.56');
    expect(relativeImprovement(0.7, 0.5)).toBeNull();
  });
});

describe('evaluateClicks', () => {
  it('gives all metrics, and those of warm and cold rows apart', () => {
    const user = [1, 1, 1, 2, 2, 2];
    const label = [1, 0, 1, 0, 1, 0];
    const score = [0.9, 0.2, 0.6, 0.5, 0.7, 0.8];
    const result = evaluateClicks({ user, label, score, seen: [1, 1, 1, 0, 0, 0] });
    expect(result).toMatchObject({ rows: 6, positives: 3, users: 2, uauc: 0.75, uaucUsers: 2 });
    expect(result.auc).toBeCloseTo(7 / 9, 14);
    expect(result.warm).toEqual({ ...evaluateClicks({ user: [1, 1, 1], label: [1, 0, 1], score: [0.9, 0.2, 0.6] }) });
    expect(result.cold).toMatchObject({ rows: 3, auc: 0.5, uauc: 0.5, auc95: null });
    expect('warm' in evaluateClicks({ user, label, score })).toBe(false);
  });

  it('parts partition the rows, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), (rows) => {
        const columns = rowsOf(rows);
        const result = evaluateClicks(columns);
        const part = (flag: number) => {
          const { seen: _, ...own } = rowsOf(rows.filter((entry) => entry.seen === flag));
          return evaluateClicks(own);
        };
        expect(result.warm).toEqual(part(1));
        expect(result.cold).toEqual(part(0));
        expect((result.warm?.rows as number) + (result.cold?.rows as number)).toBe(rows.length);
      }),
    );
  });

  it('is null, not wrong, where nothing is defined', () => {
    const nothing = { positives: 0, auc: null, auc95: null, uauc: null, uaucUsers: 0 };
    expect(evaluateClicks({ user: [], label: [], score: [] })).toEqual({
      ...nothing,
      rows: 0,
      users: 0,
      logLoss: null,
    });
    expect(evaluateClicks({ user: [3], label: [0], score: [0.5] })).toEqual({
      ...nothing,
      rows: 1,
      users: 1,
      logLoss: Math.log(2),
    });
  });

  it('ranks by logits and takes the log loss of probabilities', () => {
    // Probabilities of these logits all round to 1.
    const result = evaluateClicks({ user: [1, 1], label: [1, 0], score: [60, 50], probability: [1, 1] });
    expect(result.auc).toBe(1);
    expect(result.logLoss).toBeCloseTo(-Math.log(1e-15) / 2, 10);
    expect(evaluateClicks({ user: [1, 1], label: [1, 0], score: [60, 50] }).logLoss).toBeNull();
    expect(() => evaluateClicks({ user: [1], label: [1], score: [1], probability: [] })).toThrow(/^probability has 0/);
    expect(() => evaluateClicks({ user: [1], label: [1], score: [1], seen: [] })).toThrow(/^seen has 0/);
  });
});
