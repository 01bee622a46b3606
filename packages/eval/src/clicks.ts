/** Click metrics of a scored split, over all rows and over its warm and cold parts. */
import { auc, type ScoredRows, uauc } from './auc';
import { checkColumns, checkLength, countPositives, type NumberColumn } from './columns';
import { deLongInterval } from './delong';

const probabilityFloor = 1e-15;

/**
 * Log loss: the mean negative log likelihood of the labels, in nats. The likelihood of each row is clipped to
 * [1e-15, 1 − 1e-15].
 *
 * @param label [rows] of 0 or 1; @param probability [rows], the predicted probability of label 1.
 * @returns at least 0; null for no rows, and where a value lies outside [0, 1] and so is no probability.
 * @throws InputError as {@link auc} does.
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
 * RelaImpr (CCF-LLM, eq. 6): the relative gain of an AUC-like metric over a base, where both are counted from 0.5, the
 * value of random scores: (metric − 0.5) / (base − 0.5) − 1.
 *
 * @returns a fraction (0.5486 is 54.86 %); null when the base is 0.5.
 */
export function relativeImprovement(metric: number, base: number): number | null {
  return base === 0.5 ? null : (metric - 0.5) / (base - 0.5) - 1;
}

/** Click metrics of a set of rows. A metric that is undefined for these rows is null. */
export interface ClickMetrics {
  /** Number of rows. */
  readonly rows: number;
  /** Number of rows with label 1. */
  readonly positives: number;
  /** Number of distinct users. */
  readonly users: number;
  /** Area under the ROC curve, 0 … 1; null when one class is missing. See {@link auc}. */
  readonly auc: number | null;
  /** DeLong's 95 % interval of `auc`; null when a class has fewer than two rows. */
  readonly auc95: readonly [number, number] | null;
  /** Unweighted mean of per-user AUC, 0 … 1; null when no user has both classes. See {@link uauc}. */
  readonly uauc: number | null;
  /** Number of users with both classes, whose mean `uauc` is. */
  readonly uaucUsers: number;
  /** Log loss in nats; null when the scores are no probabilities. See {@link logLoss}. */
  readonly logLoss: number | null;
}

/** Click metrics of a split, and of its warm and cold rows where {@link ClickRows.seen} was given. */
export interface SplitMetrics extends ClickMetrics {
  /** Metrics of the rows whose user and item both have train rows. */
  readonly warm?: ClickMetrics;
  /** Metrics of the other rows. */
  readonly cold?: ClickMetrics;
}

/** Scored rows of a split, as columns of equal length. */
export interface ClickRows extends ScoredRows {
  /** 1 for warm rows, whose user and item both have train rows; 0 for cold rows. */
  readonly seen?: ArrayLike<number>;
  /**
   * Predicted probabilities of label 1, for the log loss, where `score` is something else, such as a logit. Logits rank
   * better, since large ones stay distinct where their probabilities round to 1. Default: `score`.
   */
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
 * All click metrics of a scored split.
 *
 * @throws InputError naming a column whose length differs, or the first row whose label is neither 0 nor 1 or whose
 * score is NaN.
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
