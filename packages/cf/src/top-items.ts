/** The best items of many users, found on the device without the matrix of all scores. */
import { InputError } from '@crossgate/gpu';
import { topK } from '@crossgate/kernels';
import { empty, fromHost } from '@crossgate/tensor';
import type { CfModel } from './backend';
import { knowsUser } from './popularity';
import { denseIds } from './tables';

/** Settings of {@link topItems}. */
export interface TopItemsOptions {
  /** Most items per user, at least 1, e.g. 10. */
  readonly count: number;
  /** Items that a user must not be given, by dense id, such as those the user has positives with. */
  readonly exclude?: (user: number) => Iterable<number>;
  /** The history of a user, oldest first, at most `limit` entries; needed by models that read histories. */
  readonly history?: (user: number, limit: number) => Int32Array;
  /** Number of users per batch, at least 1. Default 1024. */
  readonly batchSize?: number;
}

/** The best items of one user, best first; fewer than asked for when not as many are left. */
export interface TopItems {
  /** Dense id of the user. */
  readonly user: number;
  /** [n] dense ids, best first. */
  readonly items: Uint32Array;
  /** [n] logits, without the term that depends on the user alone (the user's bias). */
  readonly scores: Float32Array;
  /** False where the model knows nothing of the user, so the list says nothing of the user's taste; see `knowsUser`. */
  readonly personal: boolean;
}

/**
 * Ranks all seen items for each user by logit; ties go to the lower id. Padding and items without train rows are never
 * given. All logits of a user of whom the model knows nothing are equal (MF without biases, LightGCN), so the list has
 * simply the first items, and is not `personal`; `itemPopularity` tells what to offer such a user instead. Scores are
 * compared where they are computed, so memory grows with `batchSize` · `count`, not with the number of items.
 *
 * @param users dense ids.
 * @throws InputError for a count, batch size or user out of range, and without histories where the model reads them.
 */
export async function* topItems(
  model: CfModel,
  users: ArrayLike<number>,
  options: TopItemsOptions,
): AsyncGenerator<TopItems, void, undefined> {
  const { count, history, batchSize = 1024 } = options;
  for (const [name, value] of Object.entries({ count, batchSize })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new InputError(`topItems: ${name} ${value} is not at least 1`);
  }
  if (model.historyLength > 0 && !history)
    throw new InputError('topItems: this model reads histories, but none were given');
  for (let start = 0; start < users.length; start += batchSize) {
    const length = Math.min(batchSize, users.length - start);
    yield* await rank(model, denseIds(users, start, length, 'topItems: user'), options);
  }
}

/** The best items of one batch of users. Waits for the device once. */
async function rank(
  model: CfModel,
  ids: Uint32Array,
  { count, exclude, history }: TopItemsOptions,
): Promise<TopItems[]> {
  const { device } = model.group;
  const { recorder } = device;
  const { historyLength } = model;
  using _ = recorder.profiler?.step('lists');
  using __ = device.step();
  const histories = historyLength > 0 ? Array.from(ids, (user) => history!(user, historyLength)) : undefined;
  const { users, items, bias } = model.scorer({ users: ids, ...(histories && { histories }) }).all();
  const { offsets, excluded } = excludedItems(ids, exclude);
  const upload = (values: Uint32Array) => fromHost(device, [values.length], values).slice;
  const k = Math.min(count, items.rows);
  const [scores, found] = [empty(device, [ids.length, k]).slice, empty(device, [ids.length, k], 'u32').slice];
  const counts = empty(device, [ids.length], 'u32').slice;
  topK(device, {
    ...{ users: users.slice, items: items.slice, bias: bias.slice },
    ...{ excludedOffsets: upload(offsets), excluded: upload(excluded) },
    ...{ scores, ids: found, counts, userRows: ids.length, itemRows: items.rows, columns: items.columns, k },
  });
  const [values, best, numbers] = await Promise.all([
    recorder.read(scores),
    recorder.read(found),
    recorder.read(counts),
  ]);
  return Array.from(new Uint32Array(numbers), (number, row) => ({
    user: ids[row]!,
    items: new Uint32Array(best).slice(row * k, row * k + number),
    scores: new Float32Array(values).slice(row * k, row * k + number),
    personal: knowsUser(model, ids[row]!, history),
  }));
}

/**
 * Items that each user is not given, in ascending order, user behind user. At least one entry: WebGPU has no empty
 * buffers.
 */
function excludedItems(ids: Uint32Array, exclude: TopItemsOptions['exclude']) {
  const rows = Array.from(ids, (user) => Uint32Array.from(exclude?.(user) ?? []).sort());
  const offsets = new Uint32Array(ids.length + 1);
  rows.forEach(({ length }, row) => {
    offsets[row + 1] = offsets[row]! + length;
  });
  const excluded = new Uint32Array(Math.max(1, offsets[ids.length]!));
  rows.forEach((own, row) => {
    excluded.set(own, offsets[row]);
  });
  return { offsets, excluded };
}
