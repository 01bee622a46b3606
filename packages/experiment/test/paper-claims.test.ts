/** What may be said of collaborative filtering: only what holds over users, in both metrics, against each control. */
import { bootstrapClicks } from '@crossgate/eval';
import { expect, it } from 'vitest';
import { testControls } from '../src/paper/claims';
import type { Resampled } from '../src/paper/resampled';

/** Users of eight rows each, and scores that rank the rows of the first users as the labels are. */
const users = 40;
const rows = Array.from({ length: 8 * users }, (_, row) => ({ user: Math.floor(row / 8), label: row % 2 }));
const noise = (row: number) => ((row * 7919) % 101) / 100;
function method(score: (user: number, label: number, row: number) => number, rowsHash = 'rows'): Resampled {
  const [user, label] = [rows.map((each) => each.user), rows.map((each) => each.label)];
  const scores = rows.map((each, row) => score(each.user, each.label, row));
  return { rowsHash, ...bootstrapClicks({ user, label, score: scores }, { samples: 1000, seed: 1 }) };
}
const good = method((_, label, row) => label + 2 * noise(row));
const poor = method((_, __, row) => noise(row));
/** Every user is ranked as by `good`, but users stand apart by more than labels do. */
const apart = method((user, label, row) => label + 2 * noise(row) + 100 * (user % 2));

const claimOf = (own: Resampled, of: (experiment: string) => Resampled | null = () => poor) =>
  testControls('ml-1m', (experiment) => (experiment === 'ccf-lightgcn' ? own : of(experiment)));

it('holds where CCF-LLM is above each control in AUC and in UAUC', () => {
  const claim = claimOf(good)!;
  expect(claim).toMatchObject({ dataset: 'ml-1m', label: 'CCF-LLM (LightGCN)', holds: true, samples: 1000 });
  expect(claim.tests).toHaveLength(5);
  for (const { auc } of claim.tests) {
    expect(auc!.interval[0]).toBeGreaterThan(0);
    // Of five tests with the smallest p that there is, the correction makes five times it.
    expect(auc!.pHolm).toBeCloseTo((5 * 2) / 1001, 12);
  }
});

it('does not hold where one control is as good, in both metrics or in one', () => {
  const except = (control: string, other: Resampled) => (key: string) => (key === control ? other : poor);
  expect(claimOf(good, except('ccf-lightgcn-permuted-users', good))!.holds).toBe(false);
  // The same ranking inside every user: above in AUC alone.
  const one = claimOf(good, except('tallrec-twice', apart))!;
  const { auc, uauc } = one.tests.at(-1)!;
  expect([auc!.pHolm < 0.05, uauc!.difference, one.holds]).toEqual([true, 0, false]);
  expect(claimOf(poor, () => good)!.holds).toBe(false);
});

it('is not made without a control, nor over other rows', () => {
  expect(claimOf(good, (key) => (key === 'tallrec-twice' ? null : poor))).toBeNull();
  expect(testControls('ml-1m', (key) => (key === 'ccf-lightgcn' ? null : poor))).toBeNull();
  const elsewhere = { ...poor, rowsHash: 'other rows' };
  expect(() => claimOf(good, () => elsewhere)).toThrow(/scored different test rows/);
});
