/** What mattered: the share of the trials' ranks that one key alone explains. */

/** Ranks from 1, ascending; equal values share their mean rank. */
export function midRanks(values: readonly number[]): number[] {
  const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && order[end]!.value === order[start]!.value) end++;
    for (const { index } of order.slice(start, end)) ranks[index] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** Most groups that the values of a range are cut into. */
const MOST_GROUPS = 5;

/**
 * The group of each trial by the value of one key. Values of which there are few are a group each. Of many numbers, as a
 * range draws them, neighbors form groups of equal size: ⌊√trials⌋ groups, 2 to 5.
 * @param values one for each trial
 */
export function groupsOf(values: readonly unknown[]): number[] {
  const names = values.map((value) => JSON.stringify(value) ?? 'undefined');
  const distinct = [...new Set(names)];
  const areNumbers = values.every((value) => typeof value === 'number');
  if (distinct.length <= values.length / 2 || !areNumbers) return names.map((name) => distinct.indexOf(name));
  const count = Math.max(2, Math.min(MOST_GROUPS, Math.floor(Math.sqrt(values.length))));
  // By mean ranks, so that equal values share a group.
  return midRanks(values as number[]).map((rank) =>
    Math.min(count - 1, Math.floor(((rank - 0.5) / values.length) * count)),
  );
}

/**
 * The share of the variance of the objective's ranks that groups explain, corrected for chance: ε² of a one-way analysis of
 * variance on ranks (Kelley 1935), 1 − (within / (trials − groups)) / (total / (trials − 1)), and 0 where that is negative.
 * Without the correction it would be H / (trials − 1), with H of Kruskal and Wallis; that grows with the number of groups
 * even where nothing matters. Shares of several keys need not add up to 1.
 * @param objective one value for each trial
 * @param groups the group of each trial
 * @returns 0 … 1; null where it is not defined: one group, a trial in each group, or all values equal
 */
export function explainedShare(objective: readonly number[], groups: readonly number[]): number | null {
  const ranks = midRanks(objective);
  const trials = ranks.length;
  const names = [...new Set(groups)];
  const mean = (trials + 1) / 2;
  const squares = (values: readonly number[], center: number) =>
    values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  const total = squares(ranks, mean);
  if (names.length < 2 || names.length >= trials || total === 0) return null;
  const within = names.reduce((sum, name) => {
    const own = ranks.filter((_, index) => groups[index] === name);
    return sum + squares(own, own.reduce((all, rank) => all + rank, 0) / own.length);
  }, 0);
  return Math.max(0, 1 - within / (trials - names.length) / (total / (trials - 1)));
}
