/** The items that are most like an item, by the CF vectors of a run. */
import { InputError } from '@crossgate/core';
import { IdLookup } from '@crossgate/data';
import type { Session } from '../session';
import { openVectors, type RunVectors, type VectorOptions } from './run-vectors';

/** What {@link similarItems} is asked for. */
export interface SimilarOptions extends Omit<VectorOptions, 'check'> {
  /** The item, by the id of the source. */
  readonly item: string;
  /** The most items to give, at least 1. */
  readonly top: number;
}

/** Items that are like one, most alike first. Ids are those of the source. */
export interface SimilarItems {
  /** The item that was asked for. */
  readonly item: string;
  /** Its title. */
  readonly title: string;
  /** `score`: the cosine, from −1 to 1. */
  readonly items: readonly { readonly item: string; readonly title: string; readonly score: number }[];
}

/**
 * Finds the nearest items by the cosine of their vectors. Of asymmetric SVD, only the columns of taste are compared. Items
 * without train rows have no vector and are never given.
 *
 * @param run path of the run folder, as the user gave it
 * @throws InputError `data.unknown-id` for an item that the data set does not have, `run.not-held` for one without train
 *   rows; and as {@link openVectors}
 */
export async function similarItems(session: Session, run: string, options: SimilarOptions): Promise<SimilarItems> {
  const { item: id, top, ...rest } = options;
  let item = 0;
  const vectors = await openVectors(session, run, {
    ...rest,
    check({ items, name }) {
      const ids = items.map((known) => known.id);
      item = new IdLookup('item', ids, name).find(id, '--item');
    },
  });
  try {
    const { dataset } = vectors;
    const { items, cosines } = await cosinesWith(vectors, item);
    if (items === null) {
      throw new InputError(`item ${id} has no train rows, so the run has no vector of it`, {
        code: 'run.not-held',
        place: '--item',
        fix: 'name an item of the train split',
      });
    }
    // Loaded here, so that reading runs loads no package that uses a GPU.
    const { bestOf } = await import('../runners/scorer');
    const best = bestOf(items, { logit: cosines, score: cosines }, top);
    const described = Array.from(best.items, (found, rank) => {
      const { id: foundId, title } = dataset.items[found]!;
      return { item: foundId, title, score: best.scores.score[rank]! };
    });
    return { item: id, title: dataset.items[item]!.title, items: described };
  } finally {
    vectors.close();
  }
}

/** Cosines of an item with all others that have a vector; null for an item without one. */
async function cosinesWith(
  vectors: RunVectors,
  item: number,
): Promise<{ items: null | Int32Array; cosines: Float64Array }> {
  const { dim, levelColumns: from } = vectors;
  const ids = vectors.ids('item');
  const none = { items: null, cosines: new Float64Array(0) };
  if (!ids.includes(item)) return none;
  let own: Float32Array = new Float32Array(0);
  for await (const batch of vectors.read('item', Int32Array.of(item))) own = batch.vectors;
  const ownLength = Math.sqrt(dot(own, 0, own, 0, from, dim));
  if (ownLength === 0) return none;
  const items: number[] = [];
  const cosines: number[] = [];
  for await (const { ids: some, vectors: values } of vectors.read('item', ids)) {
    for (const [row, other] of some.entries()) {
      const length = Math.sqrt(dot(values, row * dim, values, row * dim, from, dim));
      if (other === item || length === 0) continue;
      items.push(other);
      const cosine = dot(own, 0, values, row * dim, from, dim) / (ownLength * length);
      cosines.push(Math.max(-1, Math.min(1, cosine)));
    }
  }
  return { items: Int32Array.from(items), cosines: Float64Array.from(cosines) };
}

/** Product of two rows, from column `from` to `dim`, in float64. */
function dot(a: Float32Array, atA: number, b: Float32Array, atB: number, from: number, dim: number): number {
  let sum = 0;
  for (let column = from; column < dim; column++) sum += a[atA + column]! * b[atB + column]!;
  return sum;
}
