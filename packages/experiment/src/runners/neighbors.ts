/** What CF recommends to each user, for prompts that name it in words (CCF-LLM, Table 2). */

import { type CfModel, topItems } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';

/** Gives the recommended items of a user, best first. */
export type Neighbors = (user: number) => ArrayLike<number>;

/** The items that lists are made of: the distinct ones of the test rows, ascending. */
export function neighborItems({ splits }: Pick<Dataset, 'splits'>): Int32Array {
  return Int32Array.from(new Set(splits.test.item)).sort();
}

/**
 * Checks that a CF model, trained or not, has one list of recommendations for a user.
 * @throws InputError for one that makes user vectors of histories
 */
export function checkNeighborModel({ name, historyLength }: { readonly name: string; readonly historyLength: number }) {
  if (historyLength === 0) return;
  throw new InputError(`${name} makes user vectors of histories, so it has no one list for a user`, {
    code: 'config.value',
    place: 'cf.model',
    fix: 'choose mf or lightgcn',
  });
}

/**
 * The best items of the test rows for every user by a CF model; what a user already likes is not left out. Users that the
 * model has no vector of have none.
 * @param count items per user
 * @throws InputError for a model whose user vectors depend on the row
 */
export async function neighborLists(model: CfModel, dataset: Dataset, count: number): Promise<Neighbors> {
  checkNeighborModel(model);
  const inTest = new Set(neighborItems(dataset));
  const others = [...dataset.items.keys()].filter((item) => item > 0 && !inTest.has(item));
  const users = [...dataset.users.keys()].filter((user) => model.userSeen[user] === 1);
  const lists = new Map<number, Uint32Array>();
  for await (const { user, items } of topItems(model, users, { count, exclude: () => others, batchSize: 256 })) {
    lists.set(user, items);
  }
  return (user) => lists.get(user) ?? [];
}
