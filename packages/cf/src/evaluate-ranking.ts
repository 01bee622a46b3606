/** Ranking metrics of a model on a split: over all items, or over the user's own items and sampled negatives. */
import { type Dataset, sampleRows } from '@crossgate/data';
import {
  topItems as bestItems,
  type ItemList,
  type RankingMetrics,
  type RankingOptions,
  type RepeatRule,
  rankingMetrics,
  repeatRules,
  sampleCandidates,
  seededRandom,
} from '@crossgate/eval';
import { InputError } from '@crossgate/gpu';
import type { CfModel } from './backend';
import { knowsUser } from './popularity';
import { positivesOf, rankingTargets } from './ranking-targets';
import { topItems } from './top-items';

/** How a model's ranking is evaluated. */
export interface RankingProtocol extends Pick<RankingOptions, 'k' | 'mapDivisor'> {
  /**
   * Number of sampled negatives per user, ranked together with the user's own items of the split. Null (default): all
   * items are ranked.
   */
  readonly negatives?: number | null;
  /** Evaluate a seeded sample of this many users with targets in the split. Null (default): all of them. */
  readonly users?: number | null;
  /**
   * Seed of the negatives and of the users; default 0. It is not the seed of the run, so that runs are compared on the
   * same draws.
   */
  readonly seed?: number;
  /** Whether items that a user has a positive with in an earlier split are ranked and targets. Default `exclude`. */
  readonly repeats?: RepeatRule;
}

/** Ranking metrics, and the protocol they belong to. */
export interface RankingResult extends RankingMetrics {
  /** Number of sampled negatives per user. Null: all items were ranked. */
  readonly negatives: number | null;
  /** Whether items known before were ranked and targets. */
  readonly repeats: RepeatRule;
  /** Users left out, since all their positives in the split were known before; of the whole split. */
  readonly usersLeftOut: number;
  /** Positives of the split left out, since they were known before; each pair once. */
  readonly targetsLeftOut: number;
  /** Ranked users of whom the model knows nothing (see `knowsUser`): their lists say nothing of their taste. */
  readonly usersUnknown: number;
  /** Targets of the ranked users that have no train rows: a list of all items never holds them. */
  readonly targetsUnseen: number;
}

/** Number of users per step with sampled candidates. */
const batchUsers = 512;

/**
 * Ranks items for each user with a target in the split, and compares the ranking with these targets. Histories are
 * those before the user's first positive of the split.
 *
 * With `repeats: 'exclude'`, an item that the user has a positive with in an earlier split (for test: train and valid)
 * is neither ranked, as in RecBole, nor a target, whether all items are ranked or sampled ones. Users without another
 * target are left out. `usersLeftOut` and `targetsLeftOut` count what is left out. With `'allow'`, such an item is
 * both.
 *
 * With `negatives`, the targets are ranked with that many distinct other items, drawn uniformly from those that the
 * user has no positive with in train or in the split; with `'allow'`, from those without one in the split. Of test, a
 * negative may so be an item of valid, as in published protocols.
 *
 * @throws InputError as {@link checkRanking} does
 */
export async function evaluateRanking(
  model: CfModel,
  dataset: Dataset,
  split: 'valid' | 'test',
  protocol: RankingProtocol,
): Promise<RankingResult> {
  checkRanking(dataset, split, protocol);
  using _ = model.group.device.recorder.profiler?.span('ranking');
  const { k, mapDivisor, negatives = null, seed = 0, repeats = 'exclude' } = protocol;
  const { targets, known, firstRow, usersLeftOut, targetsLeftOut, positives } = rankingTargets(dataset, split, repeats);
  const users = rankedUsers(targets, protocol);
  const histories = model.histories(dataset);
  const history = (user: number, limit: number) => histories.before(split, firstRow.get(user)!, limit);
  const recommended: ItemList[] = [];
  if (negatives === null) {
    const exclude = (user: number) => known.get(user) ?? [];
    for await (const { items } of topItems(model, users, { count: k, exclude, history })) recommended.push(items);
  } else {
    const trained = trainedItems(dataset, repeats, targets);
    const random = seededRandom(seed);
    for (let start = 0; start < users.length; start += batchUsers) {
      const batch = users.subarray(start, start + batchUsers);
      const candidates = Array.from(batch, (user) => {
        const exclude = [...positives.get(user)!, ...(trained.get(user) ?? [])];
        return sampleCandidates(targets.get(user)!, { items: dataset.itemCount, negatives, exclude, random });
      });
      const scores = await scoreCandidates(model, batch, candidates, history);
      candidates.forEach((items, row) => {
        recommended.push(bestItems(scores[row]!, { k, items }));
      });
    }
  }
  const lists = { recommended, relevant: Array.from(users, (user) => targets.get(user)!) };
  const options = { k, items: dataset.itemCount, ...(mapDivisor && { mapDivisor }) };
  const usersUnknown = users.filter((user) => !knowsUser(model, user, history)).length;
  const targetsUnseen = lists.relevant.flat().filter((item) => model.itemSeen[item] !== 1).length;
  const counts = { usersLeftOut, targetsLeftOut, usersUnknown, targetsUnseen };
  return { negatives, repeats, ...counts, ...rankingMetrics(lists, options) };
}

/**
 * Checks that a split can be ranked by a protocol, before anything is trained for it.
 *
 * @throws InputError for a value of the protocol out of range, and naming the user with the fewest items left to draw
 * the negatives from, where they are too few
 */
export function checkRanking(dataset: Dataset, split: 'valid' | 'test', protocol: RankingProtocol): void {
  const { k, negatives = null, users = null, repeats = 'exclude' } = protocol;
  for (const [name, value] of Object.entries({ k, negatives, users })) {
    if (value !== null && (!Number.isSafeInteger(value) || value < 1)) {
      throw new InputError(`ranking: ${name} ${value} is not a whole number of at least 1`);
    }
  }
  if (!repeatRules.includes(repeats)) {
    throw new InputError(`ranking: repeats ${JSON.stringify(repeats)} is not one of ${repeatRules.join(', ')}`);
  }
  if (negatives === null) return;
  const { targets, positives } = rankingTargets(dataset, split, repeats);
  const trained = trainedItems(dataset, repeats, targets);
  const leftOf = (user: number) =>
    dataset.itemCount - new Set([...positives.get(user)!, ...(trained.get(user) ?? [])]).size;
  let [fewest, least] = [0, Number.POSITIVE_INFINITY];
  for (const user of rankedUsers(targets, protocol)) {
    const left = leftOf(user);
    if (left < least) [fewest, least] = [user, left];
  }
  if (least >= negatives) return;
  throw new InputError(
    `${negatives} for each user, but user ${JSON.stringify(dataset.users[fewest])} has positives with all ` +
      `${least === 0 ? '' : `but ${least} of the `}${dataset.itemCount} items`,
    {
      code: 'config.value',
      place: 'evaluation.ranking.negatives',
      fix: `${least === 0 ? '' : `set it to ${least} or fewer, or `}leave it out to rank all items`,
    },
  );
}

/** Items of train that are no negatives: where repeats are allowed, only targets are none. */
function trainedItems(
  dataset: Dataset,
  repeats: RepeatRule,
  users: ReadonlyMap<number, unknown>,
): ReadonlyMap<number, ReadonlySet<number>> {
  return positivesOf(dataset, repeats === 'exclude' ? ['train'] : [], users).positives;
}

/** Users with targets in the split, or a sample of them. */
function rankedUsers(targets: ReadonlyMap<number, unknown>, { users = null, seed = 0 }: RankingProtocol): Int32Array {
  const all = Int32Array.from(targets.keys());
  return users === null ? all : sampleRows(all.length, users, seed).map((index) => all[index]!);
}

/** Logits of each user's own candidates. The users' vectors are computed once, however many candidates there are. */
async function scoreCandidates(
  model: CfModel,
  users: Int32Array,
  candidates: readonly Int32Array[],
  history: (user: number, limit: number) => Int32Array,
): Promise<Float32Array[]> {
  const { device } = model.group;
  const { historyLength } = model;
  const columns = Math.max(...candidates.map(({ length }) => length));
  const scores = device.memory.persistent(4 * columns * users.length, 'scores');
  try {
    {
      using _ = device.step();
      const histories = historyLength > 0 ? Array.from(users, (user) => history(user, historyLength)) : undefined;
      const scorer = model.scorer({ users: Uint32Array.from(users), ...(histories && { histories }) });
      const size = 4 * users.length;
      for (let column = 0; column < columns; column++) {
        // A user with fewer candidates repeats the first; its result is not read.
        const items = Uint32Array.from(candidates, (own) => own[column] ?? own[0]!);
        const target = { storage: scores.storage, offset: scores.offset + column * size, size };
        device.recorder.copy(scorer.logits(items).slice, target);
      }
    }
    const values = new Float32Array(await device.recorder.read(scores));
    return candidates.map((own, row) => Float32Array.from(own, (_, column) => values[column * users.length + row]!));
  } finally {
    device.memory.free(scores);
  }
}
