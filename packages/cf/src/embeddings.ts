/** Vectors of all users and items on the host, whichever model made them. */
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import type { CfEmbeddings, CfModel } from './backend';

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
