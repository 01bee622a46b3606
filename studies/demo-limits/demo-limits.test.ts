/** The reference estimators of the generated world: right where the answer is known, and better for being told more. */
import { assembleDataset, demoConstants, RandomStream } from '@crossgate/data';
import { auc } from '@crossgate/eval';
import { expect, it } from 'vitest';
import { chanceOfLike, scoreByLikedTitles } from './liked-titles.mjs';
import { fitPreferences } from './preferences.mjs';

const uniform = (random: RandomStream) => (random.uint32() + 0.5) / 2 ** 32;

it('averages the chance of a like over circles and biases', () => {
  const { circles, circleWeight, titleWeight, userBiasDeviation, itemBiasDeviation } = demoConstants;
  const random = new RandomStream(3);
  const point = () => circles[random.below(circles.length)] as readonly [number, number];
  const normal = () => Math.sqrt(-2 * Math.log(uniform(random))) * Math.cos(2 * Math.PI * uniform(random));
  const draws = 200_000;
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    const [a, b] = [point(), point()];
    const bias = userBiasDeviation * normal() + itemBiasDeviation * normal();
    sum += 1 / (1 + Math.exp(-(titleWeight * 1.25 + circleWeight * (a[0] * b[0] + a[1] * b[1]) + bias)));
  }
  // Four standard deviations of the mean of so many draws.
  expect(Math.abs(chanceOfLike([1.25, -0.75], [1, 0]) - sum / draws)).toBeLessThan(2 / Math.sqrt(draws));
  expect(chanceOfLike([1.25, 0.75], [0, 0])).toBeCloseTo(0.5, 12);
});

/** Users of one taste axis and items of one meaning; in test each item is new. */
function smallWorld() {
  const random = new RandomStream(5);
  const taste = Array.from({ length: 40 }, (_, user) => (user % 2 === 0 ? 1.25 : -1.25));
  const meaning = Array.from({ length: 90 }, (_, item) => (item % 2 === 0 ? 1.25 : -1.25));
  const rows = taste.flatMap((value, user) =>
    meaning.map((other, item) => {
      const label: 0 | 1 = uniform(random) < 1 / (1 + Math.exp(-1.2 * value * other)) ? 1 : 0;
      const split: 0 | 1 | 2 = item < 30 ? 0 : item < 60 ? 1 : 2;
      return { user, item, label, timestamp: item, split };
    }),
  );
  return assembleDataset({
    name: 'small',
    recipe: { name: 'small', version: 1 },
    events: {
      user: rows.map((row) => row.user),
      item: rows.map((row) => row.item),
      label: rows.map((row) => row.label),
      timestamp: rows.map((row) => row.timestamp),
      split: rows.map((row) => row.split),
    },
    userId: String,
    itemOf: (item) => ({ id: String(item), title: `item ${item}` }),
  }).then((dataset) => ({
    dataset,
    meanings: Float64Array.from(dataset.items.flatMap(({ id }) => (id === '' ? [0, 0] : [meaning[Number(id)]!, 0]))),
  }));
}

it('learns of new items what it is told of them, and nothing else', async () => {
  const { dataset, meanings } = await smallWorld();
  const { label } = dataset.splits.test;
  const told = fitPreferences(dataset, { told: meanings, free: 1 }, [1, 25]);
  const ids = fitPreferences(dataset, { told: null, free: 2 }, [1, 25]);
  const best = auc(label, scoreByTruth(dataset, meanings))!;
  expect(auc(label, told.score('test'))!).toBeGreaterThan(best - 0.02);
  expect(Math.abs(auc(label, ids.score('test'))! - 0.5)).toBeLessThan(0.05);
  // Of the items of train, ids know as much.
  const { label: trainLabel } = dataset.splits.train;
  expect(auc(trainLabel, ids.score('train'))!).toBeGreaterThan(best - 0.02);
  // The same bits again.
  expect(fitPreferences(dataset, { told: meanings, free: 1 }, [1, 25]).score('test')).toEqual(told.score('test'));
});

it('reads taste from liked titles, better from more of them', async () => {
  const { dataset, meanings } = await smallWorld();
  const { label, rows } = dataset.splits.test;
  const area = (count: number) => auc(label, scoreByLikedTitles(dataset, meanings, 'test', count))!;
  const one = area(1);
  const ten = area(10);
  expect(one).toBeGreaterThan(0.6);
  expect(ten).toBeGreaterThan(one);
  expect(ten).toBeLessThan(auc(label, scoreByTruth(dataset, meanings))! + 0.01);
  expect(rows).toBe(40 * 30);
});

/** Whether taste and meaning agree: all that can be known. */
function scoreByTruth(dataset: Awaited<ReturnType<typeof smallWorld>>['dataset'], meanings: Float64Array) {
  const { user, item } = dataset.splits.test;
  const taste = (dense: number) => (Number(dataset.users[dense]) % 2 === 0 ? 1 : -1);
  return Float64Array.from(user, (dense, row) => taste(dense) * meanings[2 * item[row]!]!);
}
