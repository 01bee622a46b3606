/** What could be known at best: scores of the generated world's rows by oracles who know parts of what is hidden. */

import { InputError } from '@crossgate/core';
import { type Dataset, type SplitName, splitNames } from '../dataset';
import { demoConstants } from './constants';
import { type DemoItem, type DemoUser, type DemoWorld, demoLogit, generateDemoWorld } from './world';

/** Scores of the rows of one split, one column per oracle: higher means a like is likelier. */
export interface DemoOracleScores {
  /** Knows the biases of users and items alone: the best that means of labels can do. */
  readonly biases: Float64Array;
  /** Knows the titles and the users' tastes for them. Titles imply no bias: it knows none. */
  readonly titles: Float64Array;
  /** Knows what titles do not tell: circles, hidden tastes and biases. */
  readonly cooccurrence: Float64Array;
  /** Knows everything but the throw of the dice: the logit of the true chance. */
  readonly full: Float64Array;
}

/**
 * Scores every row of `demo` by its oracles. The parts of the logit are independent of one another, so the Bayes
 * score of an oracle, the chance of a like averaged over what it does not know, grows with the sum of the parts that
 * it knows: that sum is the score. It ranks as the Bayes score does and is no probability.
 *
 * @param dataset the data set `demo`, built in memory or opened from a prepared folder
 * @param world the world it came from; generated anew by default
 * @throws InputError if `dataset` is not the data set `demo` or names users or items that the world lacks
 */
export function demoOracles(
  dataset: Dataset,
  world: DemoWorld = generateDemoWorld(),
): Record<SplitName, DemoOracleScores> {
  if (dataset.name !== 'demo') {
    throw new InputError(`oracles know the generated data set demo, not ${dataset.name}`, { code: 'data.other' });
  }
  if (dataset.recipe.version !== demoConstants.version) {
    throw new InputError(
      `this demo is version ${String(dataset.recipe.version)}, the oracles know version ${demoConstants.version}`,
      { code: 'data.other', fix: 'prepare it again' },
    );
  }
  const users = byDenseId<DemoUser>(dataset.users, world.users, 'user');
  const items = byDenseId<DemoItem>(
    dataset.items.map((item) => item.id),
    world.items,
    'item',
  );
  const score = (name: SplitName): DemoOracleScores => {
    const { rows, user, item } = dataset.splits[name];
    const column = () => new Float64Array(rows);
    const scores = { biases: column(), titles: column(), cooccurrence: column(), full: column() };
    for (let row = 0; row < rows; row++) {
      const { title, circle, bias } = demoLogit(
        users[(user[row] as number) - 1] as DemoUser,
        items[(item[row] as number) - 1] as DemoItem,
      );
      scores.biases[row] = bias;
      scores.titles[row] = title;
      scores.cooccurrence[row] = circle + bias;
      scores.full[row] = demoConstants.intercept + title + circle + bias;
    }
    return scores;
  };
  return Object.fromEntries(splitNames.map((name) => [name, score(name)])) as Record<SplitName, DemoOracleScores>;
}

/** The world's users or items in the order of dense ids 1, 2, … */
function byDenseId<T extends { readonly id: string }>(ids: readonly string[], known: readonly T[], kind: string): T[] {
  const byId = new Map(known.map((entry) => [entry.id, entry]));
  return ids.slice(1).map((id) => {
    const entry = byId.get(id);
    if (entry === undefined)
      throw new InputError(`the world of demo has no ${kind} ${JSON.stringify(id)}`, { code: 'data.unknown-id' });
    return entry;
  });
}
