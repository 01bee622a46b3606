/** The best items of many users, a few users at a time: the matrix of all scores is never held. */
import { InputError } from '@crossgate/gpu';
import type { CfModel } from './backend';

export interface TopItemsOptions {
  /** Items per user, e.g. 10. */
  readonly count: number;
  /** Items that a user shall not be given, such as those the user has positives with. */
  readonly exclude?: (user: number) => Iterable<number>;
  /** The positives of a user, oldest first, at most `limit`; needed by models that read histories. */
  readonly history?: (user: number, limit: number) => Int32Array;
  /** Users per batch. Default: as many as make about 4 million scores. */
  readonly batchSize?: number;
}

/** Best items of one user, best first; fewer than asked for where not as many are left. */
export interface TopItems {
  readonly user: number;
  readonly items: Uint32Array;
  /** Logits, without what depends on the user alone (the user's bias). */
  readonly scores: Float32Array;
}

/**
 * Ranks all seen items for each user by logit; ties go to the lower id. Padding and items without train rows are never given.
 * Memory is bounded by `batchSize` · items.
 *
 * @throws InputError for a count or a user out of range, and without histories where the model reads them.
 */
export async function* topItems(
  model: CfModel,
  users: ArrayLike<number>,
  { count, exclude, history, batchSize }: TopItemsOptions,
): AsyncGenerator<TopItems, void, undefined> {
  const { itemSeen, historyLength } = model;
  const { device } = model.group;
  const columns = itemSeen.length;
  const size = batchSize ?? Math.max(1, Math.floor(4_000_000 / columns));
  for (const [name, value] of Object.entries({ count, batchSize: size })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new InputError(`topItems: ${name} ${value} is not at least 1`);
  }
  if (historyLength > 0 && !history) throw new InputError('topItems: this model reads histories, but none were given');
  for (let start = 0; start < users.length; start += size) {
    const ids = Uint32Array.from({ length: Math.min(size, users.length - start) }, (_, i) => users[start + i]!);
    const scores = await (async () => {
      using _ = device.step();
      const histories = historyLength > 0 ? Array.from(ids, (user) => history!(user, historyLength)) : undefined;
      return await model
        .scorer({ users: ids, ...(histories && { histories }) })
        .allLogits()
        .read();
    })();
    for (const [row, user] of ids.entries()) {
      const own = scores.subarray(row * columns, (row + 1) * columns);
      const barred = new Set(exclude?.(user));
      const items = best(own, count, (item) => itemSeen[item] === 1 && !barred.has(item));
      yield { user, items, scores: Float32Array.from(items, (item) => own[item]!) };
    }
  }
}

/** The largest values' indices, best first, by insertion: few values pass the worst of those kept. */
function best(values: Float32Array, count: number, allowed: (index: number) => boolean): Uint32Array {
  const kept: number[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (kept.length === count && !(value > values[kept[count - 1]!]!)) continue;
    if (!allowed(index)) continue;
    let place = kept.length;
    while (place > 0 && value > values[kept[place - 1]!]!) place--;
    kept.splice(place, 0, index);
    if (kept.length > count) kept.pop();
  }
  return Uint32Array.from(kept);
}
