/** Bootstrap over users: percentile intervals of any metric of scored rows, and of AUC and UAUC quickly. */
import { InputError } from '@crossgate/core';
import { perUserAuc, type ScoredRows } from './auc';
import { checkColumns, checkLength, type NumberColumn } from './columns';
import { seededRandom } from './random';

/** Settings of a bootstrap. */
export interface BootstrapOptions {
  /** Number of resamples, at least 1. Default 1000. */
  readonly samples?: number;
  /** Seed, a whole number. The same seed gives the same resamples for all metrics of the same users. Default 1. */
  readonly seed?: number;
  /** Coverage of the interval, in (0, 1). Default 0.95. */
  readonly level?: number;
}

/** A metric with its uncertainty over users. */
export interface BootstrapResult {
  /** The metric of the given rows; null where it is undefined. */
  readonly estimate: number | null;
  /** Standard deviation over the resamples (divisor n − 1); null when the metric is defined on fewer than two. */
  readonly standardError: number | null;
  /** Lower and upper percentile over the resamples, interpolated linearly; null when the metric is defined on none. */
  readonly interval: readonly [number, number] | null;
  /** Number of resamples on which the metric is defined. The others are left out. */
  readonly samples: number;
  /**
   * The metric on each resample in the order they are drawn, null where it is undefined. With the same users in the same
   * order and the same seed, those of two models can be subtracted: a paired comparison that needs no rows.
   */
  readonly replicates: readonly (number | null)[];
}

/** A resample of whole users, as the numbers of their rows. */
export interface UserSample {
  /** Numbers of the drawn users' rows. The rows of a user who is drawn twice occur twice. */
  readonly rows: Int32Array;
  /** User of each of these rows, by number of the draw. A user who is drawn twice counts as two users. */
  readonly user: Int32Array;
}

type Settings = Required<BootstrapOptions>;

function settingsOf({ samples = 1000, seed = 1, level = 0.95 }: BootstrapOptions): Settings {
  if (!Number.isInteger(samples) || samples < 1) {
    throw new InputError(`samples must be a whole number of at least 1, got ${samples}`);
  }
  if (!(level > 0 && level < 1)) throw new InputError(`level must lie in (0, 1), got ${level}`);
  return { samples, seed, level };
}

/** Users numbered in order of first appearance. */
function numberUsers(user: ArrayLike<number | string>): { userOfRow: Int32Array; users: number } {
  const numbers = new Map<number | string, number>();
  const userOfRow = new Int32Array(user.length);
  for (let row = 0; row < user.length; row++) {
    const id = user[row] as number | string;
    const number = numbers.get(id) ?? numbers.size;
    numbers.set(id, number);
    userOfRow[row] = number;
  }
  return { userOfRow, users: numbers.size };
}

/** Calls `visit` with the users drawn for each resample; the array is reused. */
function drawUsers(users: number, { samples, seed }: Settings, visit: (drawn: Int32Array) => void): void {
  const random = seededRandom(seed);
  const drawn = new Int32Array(users);
  for (let sample = 0; sample < samples; sample++) {
    for (let place = 0; place < users; place++) drawn[place] = random.below(users);
    visit(drawn);
  }
}

/** Lower and upper percentile of values; null of none. */
function percentileInterval(values: readonly number[], level: number): readonly [number, number] | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const quantile = (probability: number): number => {
    const place = probability * (sorted.length - 1);
    const below = sorted[Math.floor(place)] as number;
    const above = sorted[Math.ceil(place)] as number;
    return below + (place - Math.floor(place)) * (above - below);
  };
  return [quantile((1 - level) / 2), quantile((1 + level) / 2)];
}

function summarize(estimate: number | null, replicates: readonly (number | null)[], level: number): BootstrapResult {
  const defined = replicates.filter((value) => value !== null);
  const samples = defined.length;
  const mean = defined.reduce((sum, value) => sum + value, 0) / samples;
  const squares = defined.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    estimate,
    standardError: samples < 2 ? null : Math.sqrt(squares / (samples - 1)),
    interval: percentileInterval(defined, level),
    samples,
    replicates,
  };
}

/** @throws InputError unless both have as many resamples */
function checkResamples(one: readonly unknown[], other: readonly unknown[]): void {
  if (one.length === other.length) return;
  throw new InputError(`${one.length} resamples cannot be paired with ${other.length}: draw as many for both`);
}

/**
 * The mean of a metric over several runs of one method, such as one per seed, with its uncertainty over users. The
 * spread between the runs is not part of it.
 *
 * @param runs results of the same users in the same order with the same seed and number of resamples; at least one.
 * @param level coverage of the interval, in (0, 1). Default 0.95.
 * @returns estimate and replicates are means over the runs, null where one of the runs has none.
 * @throws InputError for no runs, for runs with different numbers of resamples and for a level out of range.
 */
export function meanBootstrap(
  runs: readonly Pick<BootstrapResult, 'estimate' | 'replicates'>[],
  level = 0.95,
): BootstrapResult {
  const [first] = runs;
  if (first === undefined) throw new InputError('at least one run is needed');
  settingsOf({ level });
  for (const { replicates } of runs) checkResamples(replicates, first.replicates);
  const mean = (values: readonly (number | null)[]): number | null =>
    values.reduce((sum, value) => (sum === null || value === null ? null : sum + value / values.length), 0);
  return summarize(
    mean(runs.map(({ estimate }) => estimate)),
    first.replicates.map((_, sample) => mean(runs.map(({ replicates }) => replicates[sample] as number | null))),
    level,
  );
}

/** A paired test of a metric of two models over users. */
export interface PairedBootstrapTest {
  /** Lower and upper percentile of a − b over the resamples. */
  readonly interval: readonly [number, number];
  /**
   * Two-sided p-value, 0 … 1: twice the share of resamples in which the difference is 0 or has the other sign. The
   * smallest that n resamples can give is 2 / (n + 1).
   */
  readonly pValue: number;
  /** Number of resamples on which both are defined. The others are left out. */
  readonly samples: number;
}

/**
 * Paired, two-sided test of a metric of two models on the same resamples of whole users (Efron & Tibshirani 1993). The
 * rows of one user are not independent: a test over rows, such as {@link deLongTest}, calls more differences sure than
 * are where users have many rows.
 *
 * @param a `replicates` of a model; @param b those of the other, of the same users in the same order, with the same
 * seed and number of resamples.
 * @param level coverage of the interval, in (0, 1). Default 0.95.
 * @returns null when no resample defines both.
 * @throws InputError for unequal lengths and for a level out of range.
 */
export function pairedBootstrapTest(
  a: readonly (number | null)[],
  b: readonly (number | null)[],
  level = 0.95,
): PairedBootstrapTest | null {
  settingsOf({ level });
  checkResamples(b, a);
  const differences = a.flatMap((value, sample) => {
    const other = b[sample] as number | null;
    return value === null || other === null ? [] : [value - other];
  });
  const interval = percentileInterval(differences, level);
  if (interval === null) return null;
  const samples = differences.length;
  const below = differences.filter((value) => value <= 0).length;
  const above = differences.filter((value) => value >= 0).length;
  return { interval, pValue: Math.min(1, (2 * (Math.min(below, above) + 1)) / (samples + 1)), samples };
}

/**
 * Percentile interval of any metric by the bootstrap over users (Efron & Tibshirani 1993): whole users are drawn with
 * replacement, since the rows of one user are not independent. For a paired comparison of two models, use the
 * difference of their values as the metric.
 *
 * @param user id of each row.
 * @param metric is called with all rows first, then with each resample; it returns null where it is undefined.
 * @throws InputError for settings out of range; whatever `metric` throws.
 */
export function bootstrapUsers(
  user: ArrayLike<number | string>,
  metric: (sample: UserSample) => number | null,
  options: BootstrapOptions = {},
): BootstrapResult {
  const settings = settingsOf(options);
  const { userOfRow, users } = numberUsers(user);
  const rowsOfUser: number[][] = Array.from({ length: users }, () => []);
  for (const [row, number] of userOfRow.entries()) rowsOfUser[number]?.push(row);
  const estimate = metric({ rows: Int32Array.from(userOfRow.keys()), user: userOfRow });
  const replicates: (number | null)[] = [];
  drawUsers(users, settings, (drawn) => {
    let size = 0;
    for (const number of drawn) size += (rowsOfUser[number] as number[]).length;
    const rows = new Int32Array(size);
    const newUser = new Int32Array(size);
    let place = 0;
    for (const [draw, number] of drawn.entries()) {
      const own = rowsOfUser[number] as number[];
      rows.set(own, place);
      newUser.fill(draw, place, place + own.length);
      place += own.length;
    }
    replicates.push(metric({ rows, user: newUser }));
  });
  return summarize(estimate, replicates, settings.level);
}

/** Returns the AUC under whole-number weights per user, O(n) a call after one sort. */
function weightedAucOf(label: NumberColumn, score: NumberColumn, userOfRow: Int32Array) {
  const order = Uint32Array.from({ length: label.length }, (_, row) => row);
  // By comparison and not by difference: ∞ − ∞ is NaN.
  order.sort((x, y) => {
    const [a, b] = [score[x] as number, score[y] as number];
    return a < b ? -1 : a > b ? 1 : 0;
  });
  return (weight: Float64Array): number | null => {
    let negatives = 0;
    let positives = 0;
    let doubled = 0;
    for (let start = 0; start < order.length; ) {
      const value = score[order[start] as number];
      let tiedPositives = 0;
      let tiedNegatives = 0;
      let end = start;
      for (; end < order.length && score[order[end] as number] === value; end++) {
        const row = order[end] as number;
        const times = weight[userOfRow[row] as number] as number;
        if (label[row] === 1) tiedPositives += times;
        else tiedNegatives += times;
      }
      doubled += tiedPositives * (2 * negatives + tiedNegatives);
      positives += tiedPositives;
      negatives += tiedNegatives;
      start = end;
    }
    return positives === 0 || negatives === 0 ? null : doubled / (2 * positives * negatives);
  };
}

/** Returns UAUC under whole-number weights per user. */
function weightedUaucOf(rows: ScoredRows) {
  const perUser = perUserAuc(rows).map((entry) => entry.auc);
  return (weight: Float64Array): number | null => {
    let sum = 0;
    let users = 0;
    for (const [number, value] of perUser.entries()) {
      if (value === null) continue;
      sum += (weight[number] as number) * value;
      users += weight[number] as number;
    }
    return users === 0 ? null : sum / users;
  };
}

/**
 * Intervals of AUC and UAUC by the bootstrap over users. The result is that of {@link bootstrapUsers} with {@link auc}
 * and {@link uauc} and the same seed, but each resample costs only O(rows).
 *
 * @param rows scored rows. With `base`, the scores of another model for the same rows, estimates and intervals are
 * those of the paired differences score − base.
 * @throws InputError naming a column whose length differs, or the first row whose label is neither 0 nor 1 or whose
 * score is NaN.
 * @throws InputError for settings out of range.
 */
export function bootstrapClicks(
  rows: ScoredRows & { readonly base?: NumberColumn },
  options: BootstrapOptions = {},
): { auc: BootstrapResult; uauc: BootstrapResult } {
  const settings = settingsOf(options);
  const { user, label, score, base } = rows;
  checkColumns(label, score);
  checkLength('user', user, label);
  if (base !== undefined) checkColumns(label, base);
  const { userOfRow, users } = numberUsers(user);
  type Weighted = (weight: Float64Array) => number | null;
  const less = (own: Weighted, other: Weighted | undefined): Weighted => {
    if (other === undefined) return own;
    return (weight) => {
      const [a, b] = [own(weight), other(weight)];
      return a === null || b === null ? null : a - b;
    };
  };
  const metrics = {
    auc: less(weightedAucOf(label, score, userOfRow), base && weightedAucOf(label, base, userOfRow)),
    uauc: less(weightedUaucOf(rows), base && weightedUaucOf({ user, label, score: base })),
  };
  const replicates: Record<'auc' | 'uauc', (number | null)[]> = { auc: [], uauc: [] };
  const weight = new Float64Array(users).fill(1);
  const estimates = { auc: metrics.auc(weight), uauc: metrics.uauc(weight) };
  drawUsers(users, settings, (drawn) => {
    weight.fill(0);
    for (const number of drawn) weight[number] = (weight[number] as number) + 1;
    replicates.auc.push(metrics.auc(weight));
    replicates.uauc.push(metrics.uauc(weight));
  });
  return {
    auc: summarize(estimates.auc, replicates.auc, settings.level),
    uauc: summarize(estimates.uauc, replicates.uauc, settings.level),
  };
}
