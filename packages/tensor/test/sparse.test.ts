// sparseMatmul against float64, for parameters and for intermediate tensors.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import * as reference from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SparseMatrix, sparseMatmul } from '../src';
import { runGradients } from './harness';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

describe('sparseMatmul', () => {
  const [rows, inputs, columns, entries] = [9, 13, 10, 31];
  const row = [...reference.randomIntegers(entries, rows - 1, 4)];
  const column = [...reference.randomIntegers(entries, inputs, 5)];
  const weight = [...reference.toFloat32(reference.randomNormal([entries], 6))];
  /** The same matrix for the reference: entries sorted by row, the last row empty. */
  const order = [...row.keys()].sort((a, b) => row[a]! - row[b]! || a - b);
  const offsets = Array.from({ length: rows + 1 }, (_, r) => row.filter((other) => other < r).length);
  const sparse = { offsets, neighbors: order.map((e) => column[e]!), weights: order.map((e) => weight[e]!) };

  it.each([
    ['parameters', true],
    ['intermediate tensors', false],
  ])('matches float64 with %s', async (_, asParameters) => {
    const matrix = SparseMatrix.create(device, rows, inputs, { row, column, weight });
    const x = reference.randomNormal([inputs, columns], 7);
    const run = await runGradients(device, [x], (tensor) => sparseMatmul(matrix, tensor!), asParameters);
    reference.expectClose(run.output, reference.sparseMatmul(sparse, x), { absolute: 2e-6 });
    const expected = reference.sparseMatmulBackward(sparse, run.weight, inputs);
    reference.expectClose(run.gradients[0]!, expected, { absolute: 2e-6 });
    reference.checkGradient({
      value: (values) => {
        const out = reference.sparseMatmul(sparse, { shape: [inputs, columns], data: Float64Array.from(values) });
        return out.data.reduce((sum, value, i) => sum + value * run.weight.data[i]!, 0);
      },
      gradient: expected.data,
      at: x.data,
    });
    matrix.release();
    expect(device.memory.report().persistent).toEqual({});
  });

  it('refuses an entry outside the matrix, and serves one without entries', async () => {
    const wrong = { row: [0], column: [5], weight: [1] };
    expect(() => SparseMatrix.create(device, 2, 5, wrong)).toThrow(/entry 0 at \(0, 5\) is outside \[2, 5\]/);
    const empty = SparseMatrix.create(device, 2, 3, { row: [], column: [], weight: [] });
    const x = reference.randomNormal([3, 4], 8);
    const { output } = await runGradients(device, [x], (tensor) => sparseMatmul(empty, tensor!), false);
    expect([...output]).toEqual(new Array(8).fill(0));
    empty.release();
  });
});
