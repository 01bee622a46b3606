/** The ROC curve: hand-made cases, and its area against the AUC. */
import { expect, it } from 'vitest';
import { auc, rocCurve } from '../src';

const area = (points: readonly (readonly [number, number])[]) =>
  points.slice(1).reduce((sum, [x, y], i) => sum + ((x - points[i]![0]) * (y + points[i]![1])) / 2, 0);

const rows = 500;
const label = Array.from({ length: rows }, (_, i) => (Math.sin(i * i) > 0.2 ? 1 : 0));
// Of one digit, so that many tie.
const score = label.map((value, i) => Math.round(10 * (Math.sin(3.3 * i) + 0.7 * value)) / 10);

it('goes up at positives, right at negatives, and aslant where scores tie', () => {
  expect(rocCurve([1, 0, 1, 0], [4, 3, 2, 1])).toEqual([
    [0, 0],
    [0, 0.5],
    [0.5, 0.5],
    [0.5, 1],
    [1, 1],
  ]);
  expect(rocCurve([1, 0, 1], [1, 1, 1])).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect(rocCurve([1, 0], [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])?.[1]).toEqual([0, 1]);
});

it('has the area of the AUC', () => {
  expect(area(rocCurve(label, score)!)).toBeCloseTo(auc(label, score)!, 12);
});

it('keeps ends, order and nearly the area with fewer points', () => {
  const distinct = score.map((value, i) => value + i * 1e-6);
  const [all, few] = [rocCurve(label, distinct)!, rocCurve(label, distinct, 60)!];
  expect(all.length).toBe(rows + 1);
  expect(few.length).toBeLessThanOrEqual(60);
  expect(few.length).toBeGreaterThan(30);
  expect([few[0], few.at(-1)]).toEqual([
    [0, 0],
    [1, 1],
  ]);
  for (const point of few) expect(all).toContainEqual(point);
  expect(area(few)).toBeCloseTo(area(all), 2);
  expect(rocCurve([1, 0, 1], [3, 2, 1], 2)).toHaveLength(2);
});

it('is null with one class, and refuses other labels', () => {
  expect(rocCurve([1, 1], [0, 1])).toBeNull();
  expect(rocCurve([], [])).toBeNull();
  expect(() => rocCurve([2], [0])).toThrow('label must be 0 or 1');
});
