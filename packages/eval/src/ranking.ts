/** Ranking metrics of top-K lists: recall, precision, NDCG, MRR, MAP, hit rate, coverage. */
import { InputError } from '@crossgate/core';

/** A list of item ids: a typed array or a plain one. */
export type ItemList = ArrayLike<number>;

/** Recommended and relevant items of each user: entry n of both columns belongs to user n. */
export interface RankingLists {
  /** Recommended items, best first, without repetitions. Only the first K count; a list may be shorter than K. */
  readonly recommended: readonly ItemList[];
  /** Items that the user did choose, in any order; repetitions count once. */
  readonly relevant: readonly ItemList[];
}

/**
 * What becomes of an item that a user has a positive with in an earlier split (test: train and valid).
 *
 * - `exclude`: it is neither ranked nor a target, so lists are of new items.
 * - `allow`: it is ranked and may be a target, as where people buy the same again.
 */
export const repeatRules = ['exclude', 'allow'] as const;
/** One of {@link repeatRules}. */
export type RepeatRule = (typeof repeatRules)[number];

/** Settings of the ranking metrics. */
export interface RankingOptions {
  /** Number of list entries that count, at least 1. */
  readonly k: number;
  /**
   * Divisor of a user's sum of precisions in MAP. `reachable` (default): min(|relevant|, K), as RecBole's `MAP` and
   * `map_at_k` of Microsoft Recommenders. `relevant`: |relevant|, as Microsoft's `map` and its published tables; it
   * stays below 1 for users with more than K relevant items.
   */
  readonly mapDivisor?: 'reachable' | 'relevant';
  /** Number of items that can be recommended, without padding. `coverage` needs it. */
  readonly items?: number;
}

/**
 * Ranking metrics of each user with at least one relevant item, each in 0 … 1. Entry n of every column belongs to the
 * user `index[n]`. {@link perUserRanking} defines them.
 */
export interface UserRanking {
  /** Places of these users in the given lists. */
  readonly index: Int32Array;
  /** Share of the relevant items that are among the first K. */
  readonly recall: Float64Array;
  /** Share of K that relevant items fill. */
  readonly precision: Float64Array;
  /** Normalized discounted cumulative gain. */
  readonly ndcg: Float64Array;
  /** 1 / rank of the first relevant item; 0 without one. */
  readonly reciprocalRank: Float64Array;
  /** Mean precision at the ranks of relevant items. */
  readonly averagePrecision: Float64Array;
  /** 1 with a relevant item among the first K, else 0. */
  readonly hit: Float64Array;
}

/**
 * Ranking metrics as means over the users with at least one relevant item, each in 0 … 1; null when there is no such
 * user. {@link perUserRanking} defines them.
 */
export interface RankingMetrics {
  /** Number of list entries that count. */
  readonly k: number;
  /** Number of users with at least one relevant item, whose means the metrics are. */
  readonly users: number;
  /** Number of users without relevant items. They have no recall and are left out, as RecBole and Microsoft do. */
  readonly usersWithoutRelevant: number;
  /** Mean recall. */
  readonly recall: number | null;
  /** Mean precision. */
  readonly precision: number | null;
  /** Mean normalized discounted cumulative gain. */
  readonly ndcg: number | null;
  /** Mean reciprocal rank. */
  readonly mrr: number | null;
  /** Mean average precision. */
  readonly map: number | null;
  /** Hit rate: the share of users with a relevant item among their first K. */
  readonly hit: number | null;
  /** Share of all `items` that occur in the lists of these users; null when `items` was not given. */
  readonly coverage: number | null;
}

function checkLists({ recommended, relevant }: RankingLists, k: number): void {
  if (!Number.isInteger(k) || k < 1) throw new InputError(`k must be a whole number of at least 1, got ${k}`);
  if (recommended.length !== relevant.length) {
    throw new InputError(`recommended has lists of ${recommended.length} users, relevant of ${relevant.length}`);
  }
}

/**
 * The ranking metrics of each user, for tests and intervals over users. With hits h_r in {0, 1} at rank r = 1 … K and R
 * relevant items:
 * - recall: Σ h_r / R.
 * - precision: Σ h_r / K, also when the list is shorter than K.
 * - NDCG (Järvelin & Kekäläinen 2002): Σ h_r / log₂(r + 1), divided by the same sum with hits at ranks 1 … min(R, K).
 *   RecBole and Microsoft Recommenders agree, since the base of the logarithm cancels.
 * - reciprocal rank: 1 / r of the first hit; 0 without one.
 * - average precision: Σ h_r · (hits up to r) / r, divided as `mapDivisor` says.
 * - hit: 1 with any hit, else 0.
 *
 * @throws InputError naming the user whose first K items hold one twice, and when the columns differ in length.
 * @throws InputError for a `k` that is no positive whole number.
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
 * Ranking metrics of top-K lists: unweighted means over the users with at least one relevant item of the metrics that
 * {@link perUserRanking} defines. The caller chooses where the lists come from: from all items ({@link topItems}) or
 * from sampled candidates ({@link sampleCandidates}).
 *
 * @throws InputError as {@link perUserRanking} does, and when more than `items` distinct items are recommended.
 * @throws InputError for a `k` or an `items` that is no positive whole number.
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
    throw new InputError(`items must be a positive whole number, got ${items}`);
  const distinct = new Set<number>();
  for (const user of users) {
    const list = recommended[user] as ItemList;
    for (let place = 0; place < k && place < list.length; place++) distinct.add(list[place] as number);
  }
  if (distinct.size > items)
    throw new InputError(`${distinct.size} distinct items are recommended, of ${items} in all`);
  return distinct.size / items;
}
