/** What the lists of a split are compared with: each user's positives there, and what becomes of those known before. */
import type { Dataset, SplitName } from '@crossgate/data';
import type { RepeatRule } from '@crossgate/eval';

/** The targets of a split. */
export interface RankingTargets {
  /** Items of each user with a target, each once, in the order of the rows. */
  readonly targets: ReadonlyMap<number, readonly number[]>;
  /** Items that are not ranked for a user: known ones, where repeats are excluded. */
  readonly known: ReadonlyMap<number, ReadonlySet<number>>;
  /** All items of each user's positives in the split, those left out too. */
  readonly positives: ReadonlyMap<number, ReadonlySet<number>>;
  /** Row of the split of each user's first positive: what is known of the user before it counts. */
  readonly firstRow: ReadonlyMap<number, number>;
  /** Users all of whose positives in the split were known before. */
  readonly usersLeftOut: number;
  /** Positives of the split, each pair once, that were known before. */
  readonly targetsLeftOut: number;
}

/** What was found before: a training asks after every epoch. */
const found = new WeakMap<Dataset, Map<string, RankingTargets>>();

/** Finds the targets of a split. */
export function rankingTargets(dataset: Dataset, split: 'valid' | 'test', repeats: RepeatRule): RankingTargets {
  const ofDataset = found.get(dataset) ?? new Map<string, RankingTargets>();
  const targets = ofDataset.get(`${split} ${repeats}`) ?? findTargets(dataset, split, repeats);
  found.set(dataset, ofDataset.set(`${split} ${repeats}`, targets));
  return targets;
}

function findTargets(dataset: Dataset, split: 'valid' | 'test', repeats: RepeatRule): RankingTargets {
  const { positives, firstRow } = positivesOf(dataset, [split]);
  const earlier: SplitName[] = split === 'test' ? ['train', 'valid'] : ['train'];
  const known = positivesOf(dataset, repeats === 'exclude' ? earlier : [], positives).positives;
  const targets = new Map<number, number[]>();
  let targetsLeftOut = 0;
  for (const [user, items] of positives) {
    const own = [...items].filter((item) => !known.get(user)?.has(item));
    targetsLeftOut += items.size - own.length;
    if (own.length > 0) targets.set(user, own);
  }
  return { targets, known, positives, firstRow, usersLeftOut: positives.size - targets.size, targetsLeftOut };
}

/**
 * Items of each user's positives in splits, and the row of the first of them.
 *
 * @param only users that are asked for; default: all
 */
export function positivesOf(dataset: Dataset, splits: readonly SplitName[], only?: ReadonlyMap<number, unknown>) {
  const positives = new Map<number, Set<number>>();
  const firstRow = new Map<number, number>();
  for (const split of splits) {
    const { rows, user, item, label } = dataset.splits[split];
    for (let row = 0; row < rows; row++) {
      if (label[row] !== 1 || only?.has(user[row]!) === false) continue;
      const items = positives.get(user[row]!);
      if (items) items.add(item[row]!);
      else {
        positives.set(user[row]!, new Set([item[row]!]));
        firstRow.set(user[row]!, row);
      }
    }
  }
  return { positives, firstRow };
}
