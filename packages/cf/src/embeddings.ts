/** Vectors of all users and items on the host, whichever model made them. */
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import type { CfBackend, CfEmbeddings, CfModel } from './backend';

/** Number of vectors that are made per step. */
const batchSize = 1024;

/**
 * Vectors of all users and items, for a vector index outside Crossgate. The logit of a pair is the dot product of its
 * two vectors, without the biases of matrix factorization. Row n belongs to `dataset.users[n]` and `dataset.items[n]`;
 * row 0 is padding.
 *
 * @param history the history of a user, oldest first, at most `limit` entries: `model.histories(dataset).latest`.
 * Models that read histories need it.
 * @throws InputError without histories where the model reads them
 */
export async function exportEmbeddings(
  model: CfModel,
  history?: (user: number, limit: number) => Int32Array,
): Promise<CfEmbeddings> {
  const { cfDim, userSeen, itemSeen, historyLength } = model;
  if (historyLength > 0 && !history) {
    throw new InputError('exportEmbeddings: this model reads histories, but none were given');
  }
  const users = await rowsOf(model, userSeen.length, (ids) =>
    model.userVectors(
      ids,
      historyLength > 0
        ? Array.from(ids, (user) => (user === 0 ? new Int32Array(0) : history!(user, historyLength)))
        : undefined,
    ),
  );
  // The padding's vector is zero, also where that of a user without a history is not.
  users.fill(0, 0, cfDim);
  const items = await rowsOf(model, itemSeen.length, (ids) => model.itemVectors(ids));
  return { cfDim, users, items, userSeen, itemSeen };
}

/** [count, cfDim] vectors of the ids 0 … count − 1. */
async function rowsOf(
  { cfDim, group: { device } }: CfModel,
  count: number,
  vectorsOf: (ids: Uint32Array) => Tensor,
): Promise<Float32Array> {
  const out = new Float32Array(count * cfDim);
  for (let start = 0; start < count; start += batchSize) {
    const ids = Uint32Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i);
    using _ = device.step();
    out.set(await vectorsOf(ids).read(), start * cfDim);
  }
  return out;
}

/** Vectors of some users or items on the host. */
export interface VectorBatch {
  /** [n] dense ids. */
  readonly ids: Uint32Array;
  /** [n, cfDim], row by row. */
  readonly vectors: Float32Array;
}

/**
 * Vectors of users or items, a batch at a time, so that memory does not grow with their number.
 *
 * @param ids dense ids.
 * @param history the history of a user, oldest first, at most `limit` entries; needed for users where the model reads
 * histories.
 * @throws InputError for an id out of range, and without histories where the model reads them
 */
export async function* readVectors(
  backend: CfBackend,
  kind: 'user' | 'item',
  ids: ArrayLike<number>,
  history?: (user: number, limit: number) => Int32Array,
): AsyncGenerator<VectorBatch, void, undefined> {
  const { historyLength, group } = backend;
  const reads = kind === 'user' && historyLength > 0;
  if (reads && !history) throw new InputError('readVectors: this model reads histories, but none were given');
  for (let start = 0; start < ids.length; start += batchSize) {
    const count = Math.min(batchSize, ids.length - start);
    const batch = Uint32Array.from({ length: count }, (_, i) => ids[start + i]!);
    const histories = reads ? Array.from(batch, (user) => history!(user, historyLength)) : undefined;
    using _ = group.device.step();
    const vectors = kind === 'item' ? backend.itemVectors(batch) : backend.userVectors(batch, histories);
    yield { ids: batch, vectors: await vectors.read() };
  }
}

/**
 * What the logit of an item has beside the dot product of the vectors, for every user alike. A term that depends on the
 * user alone changes no order and is not part of it.
 *
 * @returns [items + 1], 0 where unseen; null for a model without such biases
 */
export async function itemBiases(model: CfModel): Promise<Float32Array | null> {
  const { group, historyLength, itemSeen } = model;
  using _ = group.device.step();
  const histories = historyLength > 0 ? [new Int32Array(0)] : undefined;
  const { bias } = model.scorer({ users: Uint32Array.of(1), ...(histories && { histories }) }).all();
  const values = await bias.read();
  itemSeen.forEach((seen, item) => {
    if (seen === 0) values[item] = 0;
  });
  return values.some((value) => value !== 0) ? values : null;
}
