/** What a finished run can do besides its splits: score any pairs, and find the best items of a user. */
import { itemPopularity } from '@crossgate/cf';
import type { Dataset, RowPlace } from '@crossgate/data';
import type { RepeatRule } from '@crossgate/eval';
import type { Scores } from '../predictions';

/** Users and items by dense id. */
export interface Pairs {
  /** [pairs] dense ids of the users, from 1. */
  readonly user: Int32Array;
  /** [pairs] dense ids of the items, from 1. */
  readonly item: Int32Array;
  /**
   * The row that a pair is, which is then scored as that row was, by what was known before it; else null: by all that
   * is known.
   */
  readonly place: readonly (RowPlace | null)[];
}

/** What {@link Scorer.best} looks for. */
export interface BestOptions {
  /** The most items to give, at least 1. */
  readonly count: number;
  /** Dense ids, distinct; null: all items that the user has no row with, or with `repeats` all. */
  readonly candidates: Int32Array | null;
  /** Whether an item may be given, by dense id, of the candidates too. Default: all may. */
  readonly passes?: ((item: number) => boolean) | undefined;
  /** Whether items that the user knows already may be in the list. Default: `exclude`. */
  readonly repeats?: RepeatRule;
  /** Called as candidates are scored by a language model, with those done and all; other methods do not call it. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Items of one user, best first. */
export interface BestItems {
  /** Dense ids, best first: `count`, or fewer where there are no more candidates. */
  readonly items: Int32Array;
  /** Logit and score of each of `items`. */
  readonly scores: Scores;
  /**
   * What the list is made by. `user`: the model, for this user. `popularity`: nothing is known of the user that the
   * model could go by, so these are the popular items, the same for everybody; a score is the number of users who like
   * the item.
   */
  readonly basis: 'user' | 'popularity';
}

/** A finished run with its device, model and files open. */
export interface Scorer {
  /**
   * Scores any pairs.
   * @returns one logit and score for each pair, in their order
   * @throws the reason of the session's signal once it is aborted: with a language model, between two batches
   */
  scorePairs(pairs: Pairs): Promise<Scores>;
  /**
   * Ranks items for a user. Without `candidates`, CF methods leave out items that have no train rows.
   * @param user dense id, from 1
   * @throws as `scorePairs`
   */
  best(user: number, options: BestOptions): Promise<BestItems>;
  /** Frees what was opened beyond what the session lends. */
  close(): Promise<void>;
}

/** The positives of a pair's user, oldest first: all, or those before the row that the pair is. */
export function historyOfPair(dataset: Dataset, { user, place }: Pairs, index: number): Int32Array {
  const at = place[index];
  return at ? dataset.history(at.split, at.row) : dataset.positives(user[index]!);
}

/** The items to choose from: those asked for, or all that a user has no row with, or all; of these, those that pass. */
export function itemsInQuestion(
  dataset: Dataset,
  user: number,
  { candidates, passes = () => true, repeats = 'exclude' }: BestOptions,
): Int32Array {
  if (candidates) return candidates.filter(passes);
  const known = new Set(repeats === 'allow' ? [] : dataset.knownItems(user));
  const all = Int32Array.from({ length: dataset.itemCount }, (_, i) => i + 1);
  return all.filter((item) => !known.has(item) && passes(item));
}

/** The first `count` items by the logit of a model; ties keep their order. */
export function bestOf(items: Int32Array, { logit, score }: Scores, count: number): BestItems {
  // Only those that can be given are put in order: of many items, most cannot. Numbers alone sort far faster.
  const least =
    count < items.length ? Float64Array.from(logit).sort()[items.length - count]! : Number.NEGATIVE_INFINITY;
  const order = Int32Array.from(items.keys())
    .filter((index) => !(logit[index]! < least))
    .sort((a, b) => logit[b]! - logit[a]! || a - b)
    .subarray(0, count);
  return {
    basis: 'user',
    items: order.map((index) => items[index]!),
    scores: {
      logit: Float64Array.from(order, (index) => logit[index]!),
      score: Float64Array.from(order, (index) => score[index]!),
    },
  };
}

/** Popularity by data set: many users may be given it. */
const popularities = new WeakMap<Dataset, Int32Array>();

/** The items that most users like, of those asked for, for a user of whom nothing is known. */
export function popularItems(dataset: Dataset, user: number, options: BestOptions): BestItems {
  const liked = popularities.get(dataset) ?? itemPopularity(dataset);
  popularities.set(dataset, liked);
  const items = itemsInQuestion(dataset, user, options).filter((item) => options.candidates || liked[item]! > 0);
  const score = Float64Array.from(items, (item) => liked[item]!);
  return { ...bestOf(items, { logit: score, score }, options.count), basis: 'popularity' };
}

/** Pairs of one user with items, none of them as a row. */
export function pairsOf(user: number, items: Int32Array): Pairs {
  return { user: new Int32Array(items.length).fill(user), item: items, place: Array.from(items, () => null) };
}
