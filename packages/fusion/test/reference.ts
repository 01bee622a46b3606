// What the float64 model of a test system reads: its batch, and its names of our parameters.
import type { CcfBatch } from '@crossgate/testing';
import type { HybridPrompt } from '../src';
import { marks } from './tiny';

/** Prompts as the float64 model reads them. */
export function referenceBatch(prompts: readonly HybridPrompt[], labels: ArrayLike<number>): CcfBatch {
  const flat = (name: 'tokenIds' | 'items' | 'users') =>
    prompts.flatMap((prompt) => Array.from({ ...prompt, ...marks(prompt) }[name]));
  const none = (values: number[]) => values.map((value) => (value === 0 ? -1 : value));
  const offsets = [0];
  for (const { tokenIds } of prompts) offsets.push(offsets.at(-1)! + tokenIds.length);
  return { offsets, tokenId: flat('tokenIds'), userId: none(flat('users')), itemId: none(flat('items')), labels };
}

/** What the float64 model calls a parameter of ours: the same, except for the ENC tables. */
export const referenceName = (name: string) =>
  name === 'user_embedding.weight' ? 'encoder.user' : name === 'item_embedding.weight' ? 'encoder.item' : name;
