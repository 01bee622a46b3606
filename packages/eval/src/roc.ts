/** The ROC curve, whose area is the AUC. */
import { checkColumns, countPositives, type NumberColumn } from './columns';

/** A point of a ROC curve: the rows whose score is at least some threshold are called positive. */
export type RocPoint = readonly [falsePositiveRate: number, truePositiveRate: number];

/**
 * The ROC curve from (0, 0) to (1, 1), one point for each distinct score, highest first. The trapezoids below it have
 * the area that {@link auc} gives.
 *
 * @param label [rows] of 0 or 1.
 * @param score [rows] of any numbers but NaN; only their order matters.
 * @param limit most points to return, at least 2: of more, those are kept that lie evenly along the curve. Default: all.
 * @returns null when one class is missing.
 * @throws InputError as {@link auc} does.
 */
export function rocCurve(
  label: NumberColumn,
  score: NumberColumn,
  limit = Number.POSITIVE_INFINITY,
): readonly RocPoint[] | null {
  checkColumns(label, score);
  const positives = countPositives(label);
  const negatives = label.length - positives;
  if (positives === 0 || negatives === 0) return null;
  const order = Array.from(label, (_, row) => row).sort((a, b) => {
    // Infinite scores have no difference.
    const [x, y] = [score[a] as number, score[b] as number];
    return x === y ? 0 : x < y ? 1 : -1;
  });
  const points: RocPoint[] = [[0, 0]];
  let hits = 0;
  for (const [place, row] of order.entries()) {
    hits += label[row] as number;
    const next = order[place + 1];
    if (next !== undefined && score[next] === score[row]) continue;
    points.push([(place + 1 - hits) / negatives, hits / positives]);
  }
  return points.length <= limit ? points : thinned(points, limit);
}

/** The points whose place along the curve, the sum of both rates, is nearest behind even steps. */
function thinned(points: readonly RocPoint[], limit: number): RocPoint[] {
  const kept: RocPoint[] = [];
  let step = 0;
  for (const point of points) {
    if (point[0] + point[1] < (2 * step) / (limit - 1) - 1e-12) continue;
    kept.push(point);
    while (point[0] + point[1] >= (2 * step) / (limit - 1) - 1e-12) step++;
  }
  return kept;
}
