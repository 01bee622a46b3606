/** Which items are alike, by hand. */
import { expect, it } from 'vitest';
import { ItemCosines } from '../src/item-cosines';

const table = (rows: Record<number, number[]>, levelColumns = 0) => {
  return { ids: Object.keys(rows).map(Number), vectors: Float32Array.from(Object.values(rows).flat()), levelColumns };
};

it('ranks by the mean cosine of models that all have a direction, without columns of level', () => {
  const plain = table({ 1: [1, 0], 2: [0, 3], 3: [-2, 0], 5: [4, 0], 6: [0, 0] });
  const alone = new ItemCosines([plain]);
  expect(alone.nearest(1, 9)).toEqual([
    { item: 5, score: 1 },
    { item: 2, score: 0 },
    { item: 3, score: -1 },
  ]);
  expect(alone.nearest(1, 1)).toEqual([{ item: 5, score: 1 }]);
  expect([alone.has(6), alone.has(4)]).toEqual([false, false]);
  const level = table({ 1: [9, 1, 0], 2: [-9, 1, 0], 3: [9, 0, 1], 4: [0, 1, 1] }, 1);
  const both = new ItemCosines([plain, level]);
  expect(both.nearest(1, 9)).toEqual([
    { item: 2, score: 0.5 },
    { item: 3, score: -0.5 },
  ]);
  expect([both.has(4), both.has(5)]).toEqual([false, false]);
});
