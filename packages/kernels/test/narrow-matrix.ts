/** Random matrices of few bits a value on a device, and what they stand for. */
import type { Device } from '@crossgate/gpu';
import * as testing from '@crossgate/testing';
import { expect } from 'vitest';
import { halfPaddedColumns, type NarrowMatrix } from '../src/matmul/matmul';
import { upload } from './harness';

/** How a matrix of fewer bits is stored. */
export const storages = [8, 4, '4 with minimums', 'f16', 'bf16'] as const;
export type Storage = (typeof storages)[number];

/** A random matrix on the device, and what it stands for. */
export function matrixOf(device: Device, storage: Storage, rows: number, columns: number) {
  if (typeof storage === 'number' || storage === '4 with minimums') {
    const minimum = typeof storage === 'string';
    const words = testing.randomQuantized(rows, columns, minimum ? 4 : storage, 11, minimum);
    const b: NarrowMatrix = {
      ...{ bits: words.bits, minimum },
      quants: upload(device, words.quants),
      scales: upload(device, words.scales),
    };
    return { b, weight: testing.dequantized(words) };
  }
  const halves = testing.randomHalves(rows, columns, storage === 'bf16', 11);
  expect(halves.paddedColumns).toBe(halfPaddedColumns(columns));
  const b: NarrowMatrix = { bits: 16, bfloat: halves.bfloat, values: upload(device, halves.words) };
  return { b, weight: halves.values };
}
