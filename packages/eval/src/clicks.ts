/** Click metrics of a scored split, over all rows and over its warm and cold parts. */
import { auc, type ScoredRows, uauc } from './auc';
import { checkColumns, checkLength, countPositives, type NumberColumn } from './columns';
import { deLongInterval } from './delong';

const probabilityFloor = 1e-15;

/**
 * Mean negative log likelihood (natural logarithm), probabilities clipped to [1e-15, 1 − 1e-15].
 *
 * @returns null for no rows, and when a value lies outside [0, 1], so that it is no probability
 * @throws InputError as `auc` does
 */
export function logLoss(label: NumberColumn, probability: NumberColumn): number | null {
  checkColumns(label, probability);
  if (label.length === 0) return null;
  let sum = 0;
  for (let row = 0; row < label.length; row++) {
    const value = probability[row] as number;
    if (value < 0 || value > 1) return null;
    const likelihood = label[row] === 1 ? value : 1 - value;
    sum -= Math.log(Math.min(1 - probabilityFloor, Math.max(probabilityFloor, likelihood)));
  }
  return sum / label.length;
}

/**
 * RelaImpr (CCF-LLM, eq. 6): the relative gain of an AUC-like metric over a base, measured from .5, the value of chance.
 *
 * @returns a fraction (.5486 is 54.86 %), null when the base is .5
 */
export function relativeImprovement(metric: number, base: number): number | null {
  return base === 0.5 ? null : (metric - 0.5) / (base - 0.5) - 1;
}

/** Metrics of one set of rows; null where a metric is undefined there. */
export interface ClickMetrics {
  readonly rows: number;
  readonly positives: number;
  /** Distinct users. */
  readonly users: number;
  /** Null when one class is missing. */
  readonly auc: number | null;
  /** DeLong's 95 % interval; null when a class has fewer than two rows. */
  readonly auc95: readonly [number, number] | null;
  /** Unweighted mean of per-user AUC. */
  readonly uauc: number | null;
  /** Users with both classes, over which `uauc` is the mean. */
  readonly uaucUsers: number;
  /** Null when the scores are not probabilities. */
  readonly logLoss: number | null;
}

/** Metrics of a split; `warm` and `cold` only when `seen` was given. */
export interface SplitMetrics extends ClickMetrics {
  /** Rows whose user and item both have train rows. */
  readonly warm?: ClickMetrics;
  readonly cold?: ClickMetrics;
}

export interface ClickRows extends ScoredRows {
  /** 1 for warm rows, 0 for cold ones. */
  readonly seen?: ArrayLike<number>;
  /** Probabilities for the log loss, where `score` is something else (a logit, which ranks without saturating). */
  readonly probability?: NumberColumn;
}

function metricsOf({ user, label, score, probability }: ClickRows): ClickMetrics {
  const perUser = uauc({ user, label, score });
  return {
    rows: label.length,
    positives: countPositives(label),
    users: new Set(Array.from(user)).size,
    auc: auc(label, score),
    auc95: deLongInterval(label, score)?.interval ?? null,
    uauc: perUser.uauc,
    uaucUsers: perUser.users,
    logLoss: logLoss(label, probability ?? score),
  };
}

/**
 * Evaluates a scored split.
 *
 * @throws InputError naming the row of a NaN score or of a label that is neither 0 nor 1, or the column of another length
 */
export function evaluateClicks(rows: ClickRows): SplitMetrics {
  const { label, seen, probability } = rows;
  checkColumns(label, rows.score);
  checkLength('user', rows.user, label);
  if (probability !== undefined) checkLength('probability', probability, label);
  const all = metricsOf(rows);
  if (seen === undefined) return all;
  checkLength('seen', seen, label);
  const part = (flag: 0 | 1): ClickMetrics => {
    const chosen: number[] = [];
    for (let row = 0; row < label.length; row++) if ((seen[row] ? 1 : 0) === flag) chosen.push(row);
    const take = (column: NumberColumn) => Float64Array.from(chosen, (row) => column[row] as number);
    return metricsOf({
      user: chosen.map((row) => rows.user[row] as number | string),
      label: take(label),
      score: take(rows.score),
      ...(probability === undefined ? {} : { probability: take(probability) }),
    });
  };
  return { ...all, warm: part(1), cold: part(0) };
}
