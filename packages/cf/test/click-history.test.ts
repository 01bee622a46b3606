/** What models may know of a user after all rows, whatever the split. */
import { expect, it } from 'vitest';
import { clickHistories, positiveHistories } from '../src';
import { smallDataset } from './small-dataset';

/** Of one user: train, valid and test take turns, as a random split draws them. */
const drawn = () =>
  smallDataset(
    [
      [1, 1, 1, 10, 1],
      [1, 2, 1, 20, 0],
      [1, 3, 0, 30, 0],
      [1, 4, 1, 40, 2],
      [1, 5, 0, 50, 1],
      [1, 6, 1, 60, 0],
    ],
    'train',
  );

it('knows all positives after a random split, but of a row what train holds', async () => {
  const dataset = await drawn();
  const { before, latest } = positiveHistories(dataset);
  expect([...latest(1)]).toEqual([1, 2, 4, 6]);
  expect([...latest(1, 2)]).toEqual([4, 6]);
  expect([...before('test', 0)]).toEqual([2]);
  expect([...before('valid', 1)]).toEqual([2]);
  expect(dataset.positives(0)).toHaveLength(0);
});

it('tells class H the later likes and class P every label', async () => {
  const dataset = await drawn();
  const [h, p] = [clickHistories(dataset, 'H'), clickHistories(dataset, 'P')];
  expect([...h.latest(1)]).toEqual([2, -3, 6, 0, 1, 4]);
  expect([...h.latest(1, 3)]).toEqual([6, 0, 1, 4]);
  expect([...p.latest(1)]).toEqual([1, 2, -3, 4, -5, 6, 0]);
  expect([...h.before('test', 0)]).toEqual([2, -3, 0]);
});
