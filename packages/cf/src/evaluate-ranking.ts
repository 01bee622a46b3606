/** Ranking metrics of a model on a split: over all items, or over the user's own items and sampled negatives. */
import { type Dataset, sampleRows } from '@crossgate/data';
import {
  topItems as bestItems,
  type ItemList,
  type RankingMetrics,
  type RankingOptions,
  rankingMetrics,
  sampleCandidates,
  seededRandom,
} from '@crossgate/eval';
import { InputError } from '@crossgate/gpu';
import type { CfModel } from './backend';
import { topItems } from './top-items';

/** How a model's ranking is evaluated. */
export interface RankingProtocol extends Pick<RankingOptions, 'k' | 'mapDivisor'> {
  /**
   * Number of sampled negatives per user, ranked together with the user's own items of the split. Null (default): all
   * items are ranked.
   */
  readonly negatives?: number | null;
  /** Evaluate a seeded sample of this many users with positives in the split. Null (default): all of them. */
  readonly users?: number | null;
  /**
   * Seed of the negatives and of the users; default 0. It is not the seed of the run, so that runs are compared on the
   * same draws.
   */
  readonly seed?: number;
}

/** Ranking metrics, and the protocol they belong to. */
export interface RankingResult extends RankingMetrics {
  /** Number of sampled negatives per user. Null: all items were ranked. */
  readonly negatives: number | null;
}

/** Number of users per step with sampled candidates. */
const batchUsers = 512;

/**
 * Ranks items for each user with a positive in the split, and compares the ranking with these positives. Histories are
 * those before the user's first positive of the split.
 *
 * Without `negatives`, all items are ranked but those that the user has positives with in an earlier split (for test:
 * train and valid), as RecBole does. An item that the user liked before and again in the split therefore counts as
 * missed. With `negatives`, the user's positives of the split are ranked with that many distinct other items, drawn
 * uniformly from those that the user has no positive with in train or in the split.
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
  const { k, mapDivisor, negatives = null, seed = 0 } = protocol;
  const { relevant, firstRow } = positivesOf(dataset, split);
  const users = rankedUsers(relevant, protocol);
  const histories = model.histories(dataset);
  const history = (user: number, limit: number) => histories.before(split, firstRow.get(user)!, limit);
  const recommended: ItemList[] = [];
  if (negatives === null) {
    const known = [positivesOf(dataset, 'train').relevant];
    if (split === 'test') known.push(positivesOf(dataset, 'valid').relevant);
    const exclude = (user: number) => known.flatMap((items) => items.get(user) ?? []);
    for await (const { items } of topItems(model, users, { count: k, exclude, history })) recommended.push(items);
  } else {
    const { relevant: trained } = positivesOf(dataset, 'train');
    const random = seededRandom(seed);
    for (let start = 0; start < users.length; start += batchUsers) {
      const batch = users.subarray(start, start + batchUsers);
      const candidates = Array.from(batch, (user) => {
        const exclude = trained.get(user) ?? [];
        return sampleCandidates([...new Set(relevant.get(user)!)], {
          items: dataset.itemCount,
          negatives,
          exclude,
          random,
        });
      });
      const scores = await scoreCandidates(model, batch, candidates, history);
      candidates.forEach((items, row) => {
        recommended.push(bestItems(scores[row]!, { k, items }));
      });
    }
  }
  const lists = { recommended, relevant: Array.from(users, (user) => relevant.get(user)!) };
  const options = { k, items: dataset.itemCount, ...(mapDivisor && { mapDivisor }) };
  return { negatives, ...rankingMetrics(lists, options) };
}

/**
 * Checks that a split can be ranked by a protocol, before anything is trained for it.
 *
 * @throws InputError for a value of the protocol out of range, and naming a user with too few items left to draw the
 * negatives from
 */
export function checkRanking(dataset: Dataset, split: 'valid' | 'test', protocol: RankingProtocol): void {
  const { k, negatives = null, users = null } = protocol;
  for (const [name, value] of Object.entries({ k, negatives, users })) {
    if (value !== null && (!Number.isSafeInteger(value) || value < 1)) {
      throw new InputError(`ranking: ${name} ${value} is not a whole number of at least 1`);
    }
  }
  if (negatives === null) return;
  const { relevant: trained } = positivesOf(dataset, 'train');
  const { relevant } = positivesOf(dataset, split);
  for (const user of rankedUsers(relevant, protocol)) {
    const left = dataset.itemCount - new Set([...relevant.get(user)!, ...(trained.get(user) ?? [])]).size;
    if (left >= negatives) continue;
    throw new InputError(
      `ranking: ${negatives} negatives, but user ${JSON.stringify(dataset.users[user])} has no positive with only ` +
        `${left} of ${dataset.itemCount} items; ask for fewer, or rank all items`,
    );
  }
}

/** Users with positives in the split, or a sample of them. */
function rankedUsers(relevant: ReadonlyMap<number, unknown>, { users = null, seed = 0 }: RankingProtocol): Int32Array {
  const all = Int32Array.from(relevant.keys());
  return users === null ? all : sampleRows(all.length, users, seed).map((index) => all[index]!);
}

/** Items of each user's positives in a split, in the order of the rows, and the row of the first of them. */
function positivesOf(dataset: Dataset, split: 'train' | 'valid' | 'test') {
  const { rows, user, item, label } = dataset.splits[split];
  const relevant = new Map<number, number[]>();
  const firstRow = new Map<number, number>();
  for (let row = 0; row < rows; row++) {
    if (label[row] !== 1) continue;
    const items = relevant.get(user[row]!);
    if (items) items.push(item[row]!);
    else {
      relevant.set(user[row]!, [item[row]!]);
      firstRow.set(user[row]!, row);
    }
  }
  return { relevant, firstRow };
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
