/** Splits of ordered rows into train, valid and test: by time, at random, by each user's last rows. */
import { shuffledRows } from './batches';
import type { SplitPlan } from './options';

/** Splits at two moments: a row at `validFrom` is in valid, one at `testFrom` in test. */
function byMoments(timestamp: Float64Array, validFrom: number, testFrom: number): Uint8Array {
  const split = new Uint8Array(timestamp.length);
  for (let row = 0; row < split.length; row++) {
    const time = timestamp[row] as number;
    split[row] = time >= testFrom ? 2 : time >= validFrom ? 1 : 0;
  }
  return split;
}

/**
 * The moments that cut off the last shares. Rows of one moment stay together, so that nothing learned is of the future.
 */
function momentsOf(timestamp: Float64Array, valid: number, test: number): [number, number] {
  const sorted = timestamp.slice().sort();
  // Rounded first: .8 · 10 would be 7.999….
  const at = (share: number) => sorted[(Math.round(sorted.length * share * 1e6) / 1e6) | 0] ?? Number.POSITIVE_INFINITY;
  return [at(1 - valid - test), at(1 - test)];
}

/**
 * Marks the last places of a random order: `test`, then `valid`. Shares are rounded down, but a share above 0 gets a
 * row while at least two are left for train, as RecBole does.
 */
function markShares(rows: Int32Array, valid: number, test: number, into: Uint8Array): void {
  const total = rows.length;
  const counts = [valid, test].map((share) => Math.floor(Math.round(share * total * 1e6) / 1e6)) as [number, number];
  let left = total - counts[0] - counts[1];
  for (const [index, share] of [
    [1, test],
    [0, valid],
  ] as const) {
    if (left <= 1) break;
    if (share > 0 && share * total < 1) {
      counts[index]++;
      left--;
    }
  }
  for (let place = left; place < total; place++) into[rows[place] as number] = place < left + counts[0] ? 1 : 2;
}

/** Calls `visit` with the first and the end row of every run of equal users. */
function eachUser(user: Int32Array, visit: (first: number, end: number, index: number) => void): void {
  let index = 0;
  for (let first = 0; first < user.length; index++) {
    let end = first + 1;
    while (end < user.length && user[end] === user[first]) end++;
    visit(first, end, index);
    first = end;
  }
}

/**
 * Assigns each row 0 (train), 1 (valid) or 2 (test).
 *
 * @param user of each row; rows of one user stand together, in time order
 * @param timestamp seconds since 1970
 */
export function splitRows(user: Int32Array, timestamp: Float64Array, plan: SplitPlan): Uint8Array {
  if (plan.by === 'time') {
    const [validFrom, testFrom] =
      'validFrom' in plan ? [plan.validFrom, plan.testFrom] : momentsOf(timestamp, plan.valid, plan.test);
    return byMoments(timestamp, validFrom, testFrom);
  }
  const split = new Uint8Array(user.length);
  if (plan.by === 'leave-one-out') {
    // A user with fewer than three rows has none to spare.
    eachUser(user, (first, end) => {
      if (end - first < 3) return;
      split[end - 1] = 2;
      split[end - 2] = 1;
    });
  } else if (plan.perUser) {
    eachUser(user, (first, end, index) => {
      const rows = Int32Array.from({ length: end - first }, (_, place) => first + place);
      markShares(shuffledRows(rows, plan.seed, index), plan.valid, plan.test, split);
    });
  } else markShares(shuffledRows(user.length, plan.seed, 0), plan.valid, plan.test, split);
  return split;
}
