/** Every planner is a pure function of a shape and the device's capabilities, and gives plain data. */
import { describe, expect, it } from 'vitest';
import * as kernels from '../src';
import * as shared from '../src/plan';

type Planner = (shape: object, capabilities: object) => object | null;

const planners = Object.entries({ ...shared, ...kernels }).filter(
  (entry): entry is [string, Planner] => entry[0].startsWith('plan') && typeof entry[1] === 'function',
);

/** A shape that is one of every planner. */
const shape = Object.freeze({
  ...{ count: 1000, values: 250, invocations: 77, rows: 60, columns: 128, m: 60, n: 64, k: 12 },
  ...{ headDim: 64, tokens: 1, heads: 6, keyValueHeads: 2, cacheLength: 200, userRows: 9, itemRows: 5000 },
});
const limits = Object.freeze({ maxComputeWorkgroupStorageSize: 16_384 });

it('finds the planners', () => {
  expect(planners.map(([name]) => name)).toEqual(
    expect.arrayContaining(['planValues', 'planRows', 'planMatmul', 'planAttention', 'planTopK', 'planReduce']),
  );
});

describe.each(planners)('%s', (name, plan) => {
  it('takes (shape, capabilities)', () => {
    expect(String(plan)).toMatch(new RegExp(`^function ${name}\\(shape, capabilities\\) \\{`));
  });

  it.each([true, false])('gives the same plain data again, software %s', (software) => {
    // Frozen: a planner that writes to its arguments throws.
    const capabilities = Object.freeze({ software, limits, name: 'some-gpu', architecture: '' });
    const chosen = plan(shape, capabilities);
    expect(chosen).toStrictEqual(JSON.parse(JSON.stringify(chosen)));
    expect(plan({ ...shape }, { ...capabilities })).toStrictEqual(chosen);
    for (const value of Object.values(chosen ?? {})) expect(value).not.toBeNaN();
  });
});
