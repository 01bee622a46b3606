/** Top-K lists from scores: over all items, or over a target and sampled negatives. */
import { InputError } from '@crossgate/core';
import type { Random } from './random';
import type { ItemList } from './ranking';

/** Length and candidates of a list by {@link topItems}. */
export interface TopItemsOptions {
  /** Length of the list, at least 1. The list is shorter when there are fewer candidates. */
  readonly k: number;
  /** Item of each score. Default: score n belongs to item n, and item 0, the padding, is no candidate. */
  readonly items?: ItemList;
  /** Items that are left out, such as those of the user's train rows. Default: none. */
  readonly exclude?: Iterable<number>;
}

/**
 * The K items with the highest scores, best first. Equal scores are ordered by item id, which does not depend on the
 * target's place among the candidates. At worst O(n log k).
 *
 * @param scores any numbers but NaN; infinities are allowed.
 * @returns item ids, at most `k`.
 * @throws InputError naming the item whose score is NaN, and when `items` has another length than `scores`.
 * @throws InputError for a `k` that is no positive whole number.
 */
export function topItems(scores: ArrayLike<number>, { k, items, exclude }: TopItemsOptions): Int32Array {
  if (!Number.isInteger(k) || k < 1) throw new InputError(`k must be a whole number of at least 1, got ${k}`);
  if (items !== undefined && items.length !== scores.length) {
    throw new InputError(`items has ${items.length} entries for ${scores.length} scores`);
  }
  const left = new Set(exclude);
  // A heap of the best K so far, the worst of them at the root.
  const heap: { item: number; score: number }[] = [];
  type Entry = (typeof heap)[number];
  const isWorse = (a: Entry, b: Entry) => a.score < b.score || (a.score === b.score && a.item > b.item);
  const siftDown = (start: number) => {
    for (let parent = start; ; ) {
      let worst = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && isWorse(heap[child] as Entry, heap[worst] as Entry)) worst = child;
      }
      if (worst === parent) return;
      [heap[parent], heap[worst]] = [heap[worst] as Entry, heap[parent] as Entry];
      parent = worst;
    }
  };
  for (let place = items === undefined ? 1 : 0; place < scores.length; place++) {
    const item = items === undefined ? place : (items[place] as number);
    const score = scores[place] as number;
    if (Number.isNaN(score)) throw new InputError(`item ${item}: score must be a number, got NaN`);
    if (left.has(item)) continue;
    const entry = { item, score };
    if (heap.length < k) {
      heap.push(entry);
      if (heap.length === k) for (let parent = k >> 1; parent >= 0; parent--) siftDown(parent);
    } else if (isWorse(heap[0] as Entry, entry)) {
      heap[0] = entry;
      siftDown(0);
    }
  }
  return Int32Array.from(
    heap.sort((a, b) => (isWorse(a, b) ? 1 : -1)),
    (entry) => entry.item,
  );
}

/** How {@link sampleCandidates} draws. */
export interface CandidateOptions {
  /** Number of items; their ids are 1 … `items`. */
  readonly items: number;
  /** Number of negatives to draw. */
  readonly negatives: number;
  /** Items that must not be drawn: those that the user chose in any split. Targets are never drawn. */
  readonly exclude?: Iterable<number>;
  /** Source of the draws, such as {@link seededRandom}. */
  readonly random: Random;
}

/**
 * Candidates of one user for an evaluation with sampled negatives: the targets, followed by distinct negatives drawn
 * uniformly from the items that are not excluded. Score them and pass the scores to {@link topItems} with `items` set
 * to these candidates.
 *
 * Use this only to compare with numbers that were published in the same way: sampled metrics depend on the number of
 * negatives, and can rank models differently than a full sort does (Krichene & Rendle 2020).
 *
 * @param targets item ids of the user's relevant items.
 * @returns item ids: [targets + negatives].
 * @throws InputError when fewer than `negatives` items are left to draw from.
 * @throws InputError for counts that are no whole numbers.
 */
export function sampleCandidates(
  targets: ItemList,
  { items, negatives, exclude, random }: CandidateOptions,
): Int32Array {
  for (const [name, value] of Object.entries({ items, negatives })) {
    if (!Number.isInteger(value) || value < 0) throw new InputError(`${name} must be a whole number, got ${value}`);
  }
  const taken = new Set(Array.from(targets));
  for (const item of exclude ?? []) if (item >= 1 && item <= items) taken.add(item);
  let inside = 0;
  for (const item of taken) if (item >= 1 && item <= items) inside++;
  const free = items - inside;
  if (free < negatives) throw new InputError(`${negatives} negatives wanted, but only ${free} items are left to draw`);
  const result = new Int32Array(targets.length + negatives);
  result.set(Array.from(targets));
  if (2 * negatives <= free) {
    // At most half of the free items are ever taken, so a draw among them succeeds quickly; the bound keeps it so
    // against long exclusions as well.
    for (let place = targets.length, misses = 0; place < result.length; ) {
      const item = 1 + random.below(items);
      if (!taken.has(item)) {
        taken.add(item);
        result[place++] = item;
      } else if (++misses > 20 * (negatives + 10)) return fromPool(result, place);
    }
    return result;
  }
  return fromPool(result, targets.length);

  /** Fills the rest by a partial Fisher–Yates shuffle of the items not taken. */
  function fromPool(list: Int32Array, start: number): Int32Array {
    const pool: number[] = [];
    for (let item = 1; item <= items; item++) if (!taken.has(item)) pool.push(item);
    for (let place = start; place < list.length; place++) {
      const drawn = place - start + random.below(pool.length - (place - start));
      [pool[place - start], pool[drawn]] = [pool[drawn] as number, pool[place - start] as number];
      list[place] = pool[place - start] as number;
    }
    return list;
  }
}
