/** Argmax: ties, extremes, ragged rows. */
import type { Device } from '@crossgate/gpu';
import { randomNormal, toFloat32 } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, downloadIntegers, upload, withDevice } from '../../test/harness';
import { argmax } from './argmax';

async function run(device: Device, values: Float32Array, rows: number): Promise<number[]> {
  const out = upload(device, new Uint32Array(rows).fill(0xdead));
  argmax(device, { x: upload(device, values), out, rows, columns: values.length / rows });
  return Array.from(await downloadIntegers(device, out));
}

function expected(values: Float32Array, rows: number): number[] {
  const columns = values.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const slice = values.subarray(row * columns, (row + 1) * columns);
    return slice.indexOf(Math.max(...slice));
  });
}

describe('argmax', () => {
  for (const { name, options } of deviceConfigurations) {
    it(`finds the first of the largest under ${name}`, () =>
      withDevice(async (device) => {
        for (const [rows, columns] of [
          [1, 1],
          [3, 17],
          [130, 64],
          [17, 65],
          [2, 2048],
        ] as const) {
          const values = toFloat32(randomNormal([rows, columns], rows + columns));
          expect(await run(device, values, rows)).toEqual(expected(values, rows));
          // Coarse values tie often, across invocations and within one.
          const coarse = values.map((value) => Math.round(value));
          expect(await run(device, coarse, rows)).toEqual(expected(coarse, rows));
        }
      }, options));
  }

  it('handles negative rows, infinities and rows without a number', () =>
    withDevice(async (device) => {
      const { NaN: nan, NEGATIVE_INFINITY: low, POSITIVE_INFINITY: high } = Number;
      const values = Float32Array.from([-5, -3, -9, low, 1, high, low, low, low, low, low, -7, nan, 2, nan]);
      expect(await run(device, values, 5)).toEqual([1, 2, 0, 2, 1]);
    }));

  it('reads a vocabulary-sized row', () =>
    withDevice(async (device) => {
      const values = toFloat32(randomNormal([3, 32_003], 5));
      values[32_002] = 100;
      expect(await run(device, values, 3)).toEqual(expected(values, 3));
    }));
});
