/** The items that are most like an item, by the CF vectors of a run. */
import { InputError } from '@crossgate/core';
import { type Dataset, IdLookup } from '@crossgate/data';
import { ItemCosines, type ItemTable, readItemTable } from '../item-cosines';
import type { Session } from '../session';
import { openVectors, type VectorOptions } from './run-vectors';

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
 * Finds the nearest items by the cosine of their vectors, as `similar` of a live run does. Of asymmetric SVD, only the
 * columns of taste are compared; of a run with two CF models, the mean of both cosines counts unless one is chosen.
 * Items without train rows have no vector and are never given.
 *
 * @param run path of the run folder, as the user gave it
 * @throws InputError `data.unknown-id` for an item that the data set does not have, `run.not-held` for one without train
 *   rows; and as {@link openVectors}
 */
export async function similarItems(session: Session, run: string, options: SimilarOptions): Promise<SimilarItems> {
  const { item: id, top, backend, ...rest } = options;
  let item = 0;
  const check = ({ items, name }: Dataset) => {
    const ids = items.map((known) => known.id);
    item = new IdLookup('item', ids, name).find(id, '--item');
  };
  const tables: ItemTable[] = [];
  let described: Dataset['items'] = [];
  for (let [next, last] = [backend ?? 1, backend ?? 1]; next <= last; next++) {
    const vectors = await openVectors(session, run, { ...rest, backend: next, check });
    try {
      described = vectors.dataset.items;
      if (backend === undefined) last = vectors.backends;
      const ids = vectors.ids('item');
      tables.push(await readItemTable(ids, vectors.dim, vectors.levelColumns, vectors.read('item', ids)));
    } finally {
      vectors.close();
    }
  }
  const cosines = new ItemCosines(tables);
  if (!cosines.has(item)) {
    throw new InputError(`item ${id} has no train rows, so the run has no vector of it`, {
      code: 'run.not-held',
      place: '--item',
      fix: 'name an item of the train split',
    });
  }
  const items = cosines.nearest(item, top).map(({ item: near, score }) => {
    const { id: own, title } = described[near]!;
    return { item: own, title, score };
  });
  return { item: id, title: described[item]!.title, items };
}
