/** Elementwise kernels against their float64 definitions. */
import {
  expectClose,
  randomNormal,
  reference,
  scalarActivations,
  strideRevealing,
  toFloat32,
} from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { planElements, planRows } from '../plan';
import { addScaled, binary, fill, scaleRows, unary, unaryBackward } from './elementwise';

const counts = [1, 3, 64, 257, 6000, 9001];
const operations = ['relu', 'sigmoid', 'tanh', 'silu', 'copy'] as const;

/** Normal values with zeros and large ones of both signs among them. */
function inputs(count: number) {
  const x = randomNormal([count], 11, 3);
  [0, 80, -80, 30, -30, 1e-4].forEach((value, i) => {
    if (i < count) x.data[count - 1 - i] = Math.fround(value);
  });
  return x;
}

describe.each(deviceConfigurations)('elementwise, $name', ({ options }) => {
  it.each(operations)('%s and its backward', async (operation) => {
    const { value, derivative } = scalarActivations[operation === 'copy' ? 'none' : operation];
    await withDevice(async (device) => {
      for (const count of counts) {
        const x = inputs(count);
        const gradient = strideRevealing([count]);
        const xs = upload(device, x);
        const out = uploadFilled(device, count);
        unary(device, { operation, x: xs, out, count, scale: 0.5 });
        const tolerance = { relative: 2e-5, absolute: 1e-6, label: `${operation} ${count}` };
        expectClose(
          await download(device, out),
          x.data.map((v) => 0.5 * value(v)),
          tolerance,
        );
        const gradOut = upload(device, gradient);
        const gradX = uploadFilled(device, count, 2);
        const expected = x.data.map((v, i) => gradient.data[i]! * derivative(v));
        unaryBackward(device, { operation, x: xs, gradOut, gradX, count });
        expectClose(await download(device, gradX), expected, tolerance);
        unaryBackward(device, { operation, x: xs, gradOut, gradX, count, accumulate: true, scale: 2 });
        expectClose(
          await download(device, gradX),
          expected.map((v) => 3 * v),
          { ...tolerance, absolute: 3e-6 },
        );
      }
    }, options);
  });

  it('adds, subtracts, multiplies, adds scaled and fills', async () => {
    await withDevice(async (device) => {
      for (const count of counts) {
        const a = randomNormal([count], 1);
        const b = strideRevealing([count], 2);
        const [as, bs] = [upload(device, a), upload(device, b)];
        const results = {
          add: (i: number) => a.data[i]! + b.data[i]!,
          subtract: (i: number) => a.data[i]! - b.data[i]!,
          multiply: (i: number) => a.data[i]! * b.data[i]!,
        };
        for (const operation of ['add', 'subtract', 'multiply'] as const) {
          const out = uploadFilled(device, count);
          binary(device, { operation, a: as, b: bs, out, count });
          expectClose(await download(device, out), reference([count], results[operation]).data, { absolute: 1e-7 });
        }
        const out = upload(device, a);
        addScaled(device, { x: bs, out, count, alpha: -0.75 });
        expectClose(await download(device, out), reference([count], (i) => a.data[i]! - 0.75 * b.data[i]!).data, {
          absolute: 1e-6,
        });
        fill(device, { out, count, value: 0.1 });
        const filled = await download(device, out);
        expect(filled.length).toBe(count);
        expect(filled.every((v) => v === Math.fround(0.1))).toBe(true);
      }
    }, options);
  });

  it('squares a slice that is both operands', async () => {
    await withDevice(async (device) => {
      const a = upload(device, Float32Array.of(1, -2, 3));
      const out = uploadFilled(device, 3);
      binary(device, { operation: 'multiply', a, b: a, out, count: 3 });
      expect([...(await download(device, out))]).toEqual([1, 4, 9]);
    }, options);
  });

  it('scales rows', async () => {
    await withDevice(async (device) => {
      for (const [rows, columns] of [
        [1, 1],
        [3, 17],
        [257, 20],
        [65, 6],
        [129, 32],
      ] as const) {
        const x = strideRevealing([rows, columns]);
        const scale = randomNormal([rows], 4);
        const arguments_ = { x: upload(device, x), scale: upload(device, scale), rows, columns };
        const out = upload(device, toFloat32(reference([rows, columns], () => 1)));
        const expected = x.data.map((v, i) => v * scale.data[Math.floor(i / columns)]!);
        scaleRows(device, { ...arguments_, out, accumulate: true });
        expectClose(
          await download(device, out),
          expected.map((v) => v + 1),
          { absolute: 1e-6 },
        );
        scaleRows(device, { ...arguments_, out });
        expectClose(await download(device, out), expected, { absolute: 1e-6 });
      }
    }, options);
  });
});

describe('plans', () => {
  it('cover every element once', () => {
    for (const software of [true, false]) {
      for (const count of [1, 4, 257, 65_536, 1_000_001]) {
        const plan = planElements({ count }, { software });
        expect(plan.values * (plan.vector ? 4 : 1)).toBe(count);
        const capacity = plan.workgroups * plan.workgroupSize * plan.items;
        expect(capacity).toBeGreaterThanOrEqual(plan.values);
        expect(capacity - plan.workgroupSize * plan.items).toBeLessThan(plan.values);
      }
      for (const columns of [1, 3, 64, 172]) {
        const plan = planRows({ rows: 257, columns }, { software });
        expect(plan.valuesPerRow * (plan.vector ? 4 : 1)).toBe(columns);
        expect(plan.spansPerRow * plan.span).toBeGreaterThanOrEqual(plan.valuesPerRow);
        expect(plan.workgroups * plan.workgroupSize).toBeGreaterThanOrEqual(257 * plan.spansPerRow);
      }
    }
  });
});
