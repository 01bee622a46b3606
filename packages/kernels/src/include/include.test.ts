/** Every function of the shared WGSL pieces, by kernels made for it alone: against float64, scalars and vectors. */
import { type Device, defineKernel } from '@crossgate/gpu';
import { expectClose, logistic, softplus } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { activationConstants } from '../elementwise/activations';
import { rowWalkConstants, walkRows } from '../row-walk';
import { includes } from '.';

/** Small, large, both signs, both zeros; a multiple of four, so that vectors can read them. */
const points = Float32Array.of(0, -0, 1e-6, -1e-6, 0.3, -0.7, 1, -1, 3.5, -4.25, 16, -16, 40, -40, 87, -87);

/** Values of `expression` of `v` at every point, `lanes` at a time. */
async function evaluate(device: Device, piece: string, expression: string, lanes: 1 | 4, constants = {}) {
  const type = lanes === 4 ? 'vec4<f32>' : 'f32';
  const kernel = defineKernel({
    name: 'piece',
    source: `#include ${piece}\n#include invocations
fn run(i: u32) {
  if (i >= parameters.count) { return; }
  let v = x[i];
  out[i] = ${expression};
}`,
    includes,
    constants: { VECTOR: lanes === 4, WORKGROUP_SIZE: 4, ...constants },
    bindings: { x: { access: 'read', type }, out: { access: 'read_write', type } },
    parameters: { count: 'u32' },
  });
  const [x, out] = [upload(device, points), uploadFilled(device, points.length)];
  const count = points.length / lanes;
  const workgroups = Math.ceil(count / 4);
  device.recorder.dispatch(kernel, { bindings: { x, out }, parameters: { count }, workgroups });
  return download(device, out);
}

const atPoints = (f: (x: number) => number) => Float64Array.from(points, f);

describe('numerics', () => {
  const logOnePlus = (x: number) => Math.log1p(Math.exp(-Math.abs(x)));
  it.each([
    ['logistic(v)', logistic],
    ['logOnePlus(exp(-abs(v)))', logOnePlus],
    ['softplus(v)', softplus],
    ['logAddExp(v, 0.5 * v)', (x: number) => Math.max(x, x / 2) + logOnePlus(x / 2)],
  ])('%s keeps its relative precision on both sides', (expression, expected) =>
    withDevice(async (device) => {
      const values = await evaluate(device, 'numerics', expression, 1);
      expectClose(values, atPoints(expected), { relative: 1e-5, absolute: 1e-37, label: expression });
    }),
  );
});

describe('activations', () => {
  const silu = (x: number) => x * logistic(x);
  const slope = (x: number) => logistic(x) * logistic(-x);
  it.each<[keyof typeof activationConstants, (x: number) => number, (x: number) => number]>([
    ['NONE', (x) => x, () => 1],
    ['RELU', (x) => Math.max(x, 0), (x) => Number(x > 0)],
    ['SIGMOID', logistic, slope],
    ['TANH', Math.tanh, (x) => (1 - Math.tanh(x)) * (1 + Math.tanh(x))],
    ['SILU', silu, (x) => logistic(x) + x * slope(x)],
  ])('%s and its derivative, one by one and in fours', (name, value, derivative) =>
    withDevice(async (device) => {
      const constants = { ...activationConstants, ACTIVATION: activationConstants[name] };
      for (const lanes of [1, 4] as const) {
        const tolerance = { relative: 1e-5, absolute: 2e-7, label: `${name} by ${lanes}` };
        expectClose(await evaluate(device, 'activations', 'activate(v)', lanes, constants), atPoints(value), tolerance);
        const slopes = await evaluate(device, 'activations', 'activationDerivative(v)', lanes, constants);
        expectClose(slopes, atPoints(derivative), { ...tolerance, label: `derivative of ${name} by ${lanes}` });
      }
    }),
  );
});

describe('vector', () => {
  it('sums the elements of a value', () =>
    withDevice(async (device) => {
      expect(await evaluate(device, 'vector', 'total(v)', 1)).toEqual(points);
      const sums = await evaluate(device, 'vector', 'Value(total(v))', 4);
      const four = (i: number) => points[i]! + points[i + 1]! + (points[i + 2]! + points[i + 3]!);
      expectClose(
        sums,
        Float64Array.from(points, (_, i) => four(4 * Math.floor(i / 4))),
        { label: 'total' },
      );
    }));
});

describe('row-walk and workgroup-reduce', () => {
  const kernel = defineKernel({
    name: 'walk',
    source: `#include row-walk
fn walkRow(row: u32, walk: Walk) {
  var sum = 0.0;
  var largest = -1e30;
  for (var c = walk.first; c < parameters.columns; c += walk.stride) {
    sum += x[row * parameters.columns + c];
    largest = max(largest, x[row * parameters.columns + c]);
  }
  // Twice: the scratch memory of one reduction must be free for the next.
  let rowTotal = rowSum(walk, sum);
  let rowLargest = rowMaximum(walk, largest);
  // Everyone who walks the row writes: all must have been given the same.
  for (var c = walk.first; c < parameters.columns; c += walk.stride) {
    out[row * parameters.columns + c] = rowTotal + 1000.0 * rowLargest;
  }
}`,
    includes,
    constants: rowWalkConstants,
    bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
    parameters: { rows: 'u32', columns: 'u32' },
  });

  for (const { name, options } of deviceConfigurations) {
    it(`give everyone in a row its sum and maximum under ${name}`, () =>
      withDevice(async (device) => {
        for (const [rows, columns] of [
          [1, 1],
          [37, 5],
          [150, 13],
        ] as const) {
          // Whole numbers: sums are exact in any order.
          const values = Float32Array.from({ length: rows * columns }, (_, i) => ((i * 37) % 101) - 50);
          const expected = Float32Array.from(values, (_, i) => {
            const start = Math.floor(i / columns) * columns;
            const row = values.subarray(start, start + columns);
            return row.reduce((sum, value) => sum + value, 0) + 1000 * Math.max(...row);
          });
          for (const variant of ['row', 'workgroup'] as const) {
            for (const workgroupSize of [1, 8, 64]) {
              const [x, out] = [upload(device, values), uploadFilled(device, rows * columns)];
              const launch = walkRows({ variant, workgroupSize }, rows);
              device.recorder.dispatch(kernel, { bindings: { x, out }, parameters: { rows, columns }, ...launch });
              expect(await download(device, out), `${variant} ${workgroupSize}`).toEqual(expected);
            }
          }
        }
      }, options));
  }
});

describe('invocations and values', () => {
  it.each([
    // The one leaves the bound to the kernel, the other keeps it: beyond the values it would be seen to go.
    ['invocations', 1, 0],
    ['values', 3, 9],
  ])('%s visit everything once over a grid that is folded, and nothing beyond it', (entry, items, beyond) =>
    withDevice(
      async (device) => {
        const kernel = defineKernel({
          name: 'count',
          source: `#include ${entry}
fn run(i: u32) {
  if (i < parameters.values + ${beyond}u) { out[i] += f32(i); }
}`,
          includes,
          constants: { WORKGROUP_SIZE: 4, ITEMS: items },
          bindings: { out: { access: 'read_write', type: 'f32' } },
          parameters: { values: 'u32' },
        });
        const values = 203;
        const out = upload(device, new Float32Array(values + 9));
        const workgroups = Math.ceil(values / (4 * items));
        device.recorder.dispatch(kernel, { bindings: { out }, parameters: { values }, workgroups });
        const expected = Float32Array.from({ length: values + 9 }, (_, i) => (i < values ? i : 0));
        expect(await download(device, out)).toEqual(expected);
      },
      { limits: { maxComputeWorkgroupsPerDimension: 16 } },
    ),
  );
});
