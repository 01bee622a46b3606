/** The data set `demo`: the generated world's events, split by time. */
import { assembleDataset } from '../assemble';
import type { Dataset, Recipe } from '../dataset';
import type { DatasetDefinition } from '../definition';
import { demoConstants as constants } from './constants';
import { type DemoItem, type DemoUser, type DemoWorld, generateDemoWorld } from './world';

const recipe: Recipe = {
  name: 'demo',
  version: constants.version,
  seed: constants.seed,
  label: 'drawn with the chance that the generated world gives to the pair',
  train: `days 0 … ${constants.validDay - 1}`,
  valid: `days ${constants.validDay} … ${constants.testDay - 1}`,
  test: `days ${constants.testDay} … ${constants.endDay - 1}`,
  order: 'user, timestamp',
};

/**
 * Builds the data set `demo` in memory, without files. Its source ids are those of the world.
 *
 * @param world default: generates it.
 */
export async function buildDemo(world: DemoWorld = generateDemoWorld()): Promise<Dataset> {
  const { events, users, items } = world;
  const itemOf = new Map(items.map((item) => [item.id, item]));
  const validFrom = constants.start + constants.validDay * constants.day;
  const testFrom = constants.start + constants.testDay * constants.day;
  return assembleDataset({
    name: 'demo',
    recipe,
    events: {
      user: events.map(({ user }) => user),
      item: events.map(({ item }) => item),
      label: events.map(({ label }) => label),
      timestamp: events.map(({ timestamp }) => timestamp),
      split: events.map(({ timestamp }) => (timestamp >= testFrom ? 2 : timestamp >= validFrom ? 1 : 0)),
    },
    userId: (user) => (users[user] as DemoUser).id,
    itemOf: (index) => {
      const { id, title } = items[index] as DemoItem;
      return { id, title };
    },
    attributes: (ids) =>
      (['mood', 'theme'] as const).map((name) => {
        const values = ids.map((id) => itemOf.get(id)?.[name]).map((word) => (word === undefined ? [] : [word]));
        return { name, type: 'text', values };
      }),
  });
}

/** The entry of the generated world in the registry. */
export const demo: DatasetDefinition = {
  name: 'demo',
  title: 'A generated world: taste that titles tell, taste that only co-occurrence tells, cold users and items',
  homepage: 'docs/demo-world.md',
  license: 'MIT, as this project: nothing in it comes from anybody else',
  generated: true,
  sourceFiles: [],
  recipe: () => recipe,
  build: () => buildDemo(),
};
