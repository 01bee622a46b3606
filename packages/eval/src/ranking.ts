/** Ranking metrics of top-K lists: recall, precision, NDCG, MRR, MAP, hit rate, coverage. */
import { InputError } from '@crossgate/core';

/** Item ids: a typed array or a plain one. */
export type ItemList = ArrayLike<number>;

/** One entry per user in both columns. */
export interface RankingLists {
  /** Recommended items, best first, without repetitions. Only the first K count; a list may be shorter than K. */
  readonly recommended: readonly ItemList[];
  /** Items that the user really chose, in any order; repetitions count once. */
  readonly relevant: readonly ItemList[];
}

export interface RankingOptions {
  /** Length of the lists, at least 1. */
  readonly k: number;
  /**
   * What a user's sum of precisions is divided by in MAP. `reachable` (default): min(|relevant|, K), RecBole's `MAP`
   * and `map_at_k` of Microsoft Recommenders. `relevant`: |relevant|, Microsoft's `map`, which stays below 1 where a
   * user has more than K relevant items (and is what its published tables hold).
   */
  readonly mapDivisor?: 'reachable' | 'relevant';
  /** Number of items that could be recommended, padding not counted; needed for `coverage`. */
  readonly items?: number;
}

/** Metrics of each user with at least one relevant item; entry n of every column belongs to `index[n]`. */
export interface UserRanking {
  /** Places of these users in the lists given. */
  readonly index: Int32Array;
  readonly recall: Float64Array;
  readonly precision: Float64Array;
  readonly ndcg: Float64Array;
  readonly reciprocalRank: Float64Array;
  readonly averagePrecision: Float64Array;
  readonly hit: Float64Array;
}

/** Means over users; null when no user has a relevant item. */
export interface RankingMetrics {
  readonly k: number;
  /** Users with at least one relevant item, over which the metrics are means. */
  readonly users: number;
  /** Users without relevant items: they have no recall and are left out, as RecBole and Microsoft do. */
  readonly usersWithoutRelevant: number;
  readonly recall: number | null;
  readonly precision: number | null;
  readonly ndcg: number | null;
  readonly mrr: number | null;
  readonly map: number | null;
  readonly hit: number | null;
  /** Share of `items` that occur in the lists of those users; null when `items` was not given. */
  readonly coverage: number | null;
}

function checkLists({ recommended, relevant }: RankingLists, k: number): void {
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`k must be a whole number of at least 1, got ${k}`);
  if (recommended.length !== relevant.length) {
    throw new InputError(`recommended has lists of ${recommended.length} users, relevant of ${relevant.length}`);
  }
}

/**
 * The ranking metrics of each user, for tests and intervals over users.
 *
 * With hits h_r in {0, 1} at rank r = 1 … K and R relevant items:
 * recall Σh/R; precision Σh/K, also when the list is shorter; NDCG Σ h_r/log₂(r+1) over the same sum with hits at ranks
 * 1 … min(R, K) (RecBole and Microsoft Recommenders agree: the base of the logarithm cancels); reciprocal rank 1/r of
 * the first hit, 0 without one; average precision Σ h_r·(hits up to r)/r over the divisor that `mapDivisor` names.
 *
 * @throws InputError naming the user whose list holds an item twice, or when the columns differ in length
 * @throws RangeError for a k that is no positive whole number
 */
export function perUserRanking(lists: RankingLists, options: Omit<RankingOptions, 'items'>): UserRanking {
  const { k, mapDivisor = 'reachable' } = options;
  checkLists(lists, k);
  const { recommended, relevant } = lists;
  const index = Int32Array.from(relevant.keys()).filter((user) => (relevant[user] as ItemList).length > 0);
  const column = () => new Float64Array(index.length);
  const result: UserRanking = {
    index,
    recall: column(),
    precision: column(),
    ndcg: column(),
    reciprocalRank: column(),
    averagePrecision: column(),
    hit: column(),
  };
  for (const [place, user] of index.entries()) {
    const wanted = new Set(Array.from(relevant[user] as ItemList));
    const list = recommended[user] as ItemList;
    const seen = new Set<number>();
    let hits = 0;
    let first = 0;
    let gain = 0;
    let precisions = 0;
    for (let rank = 1; rank <= k && rank <= list.length; rank++) {
      const item = list[rank - 1] as number;
      if (seen.has(item)) throw new InputError(`user ${user}: item ${item} is recommended twice in the first ${k}`);
      seen.add(item);
      if (!wanted.has(item)) continue;
      hits++;
      if (first === 0) first = rank;
      gain += 1 / Math.log2(rank + 1);
      precisions += hits / rank;
    }
    const reachable = Math.min(wanted.size, k);
    let ideal = 0;
    for (let rank = 1; rank <= reachable; rank++) ideal += 1 / Math.log2(rank + 1);
    result.recall[place] = hits / wanted.size;
    result.precision[place] = hits / k;
    result.ndcg[place] = gain / ideal;
    result.reciprocalRank[place] = first === 0 ? 0 : 1 / first;
    result.averagePrecision[place] = precisions / (mapDivisor === 'relevant' ? wanted.size : reachable);
    result.hit[place] = hits > 0 ? 1 : 0;
  }
  return result;
}

/**
 * Ranking metrics of top-K lists, each the unweighted mean over the users with at least one relevant item
 * (definitions: `perUserRanking`). Whether the lists come from all items or from sampled candidates is the caller's
 * choice: see `topItems` and `sampleCandidates`.
 *
 * @throws InputError as `perUserRanking` does, and when more than `items` distinct items are recommended
 * @throws RangeError for a k or an `items` that is no positive whole number
 */
export function rankingMetrics(lists: RankingLists, options: RankingOptions): RankingMetrics {
  const { k, items } = options;
  const perUser = perUserRanking(lists, options);
  const users = perUser.index.length;
  const mean = (column: Float64Array) => (users === 0 ? null : column.reduce((sum, value) => sum + value, 0) / users);
  return {
    k,
    users,
    usersWithoutRelevant: lists.relevant.length - users,
    recall: mean(perUser.recall),
    precision: mean(perUser.precision),
    ndcg: mean(perUser.ndcg),
    mrr: mean(perUser.reciprocalRank),
    map: mean(perUser.averagePrecision),
    hit: mean(perUser.hit),
    coverage: users === 0 || items === undefined ? null : coverage(lists.recommended, perUser.index, k, items),
  };
}

function coverage(recommended: readonly ItemList[], users: Int32Array, k: number, items: number): number {
  if (!Number.isInteger(items) || items < 1)
    throw new RangeError(`items must be a positive whole number, got ${items}`);
  const distinct = new Set<number>();
  for (const user of users) {
    const list = recommended[user] as ItemList;
    for (let place = 0; place < k && place < list.length; place++) distinct.add(list[place] as number);
  }
  if (distinct.size > items)
    throw new InputError(`${distinct.size} distinct items are recommended, of ${items} in all`);
  return distinct.size / items;
}
