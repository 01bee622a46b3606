/** The best possible scores for the rows of the generated world, by oracles that know parts of the true logit. */

import { InputError } from '@crossgate/core';
import { type Dataset, type SplitName, splitNames } from '../dataset';
import { demoConstants } from './constants';
import { type DemoItem, type DemoUser, type DemoWorld, demoLogit, generateDemoWorld } from './world';

/** Scores of the rows of one split, one column [rows] per oracle. A higher score means that a like is more likely. */
export interface DemoOracleScores {
  /** Knows only the biases of users and items: the best that a model of mean labels can do. */
  readonly biases: Float64Array;
  /** Knows the titles and the users' tastes for them: the best that a model of titles can do. Titles imply no bias. */
  readonly titles: Float64Array;
  /** Knows circles, hidden tastes and biases: the best that a model without titles can do. */
  readonly cooccurrence: Float64Array;
  /** Knows everything but the random draw of the label: the logit of the true probability. */
  readonly full: Float64Array;
}

/**
 * Scores all rows of `demo` by its oracles. The score is the sum of the parts of the logit that an oracle knows. The
 * parts are independent, so the probability of a like, averaged over the parts that it does not know, grows with this
 * sum. The score therefore ranks rows as that probability does, but is no probability itself.
 *
 * @param dataset the data set `demo`, built in memory or opened from a prepared folder.
 * @param world the world it was built from. Default: generates it.
 * @throws InputError for another data set or version, and for users or items that the world does not have.
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
