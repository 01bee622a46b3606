/** Random matrices of few bits a value on a device, and what they stand for. */
import type { Device } from '@crossgate/gpu';
import * as testing from '@crossgate/testing';
import { expect } from 'vitest';
import {
  halfPaddedColumns,
  type NarrowMatrix,
  type QuantizedMatrixFormat,
  quantizedLayout,
} from '../src/matmul/matmul';
import { upload } from './harness';

/** How a matrix of fewer bits is stored: ggml's blocks, taken apart, or floats of 16 bits. */
const formats: Readonly<Record<string, QuantizedMatrixFormat>> = {
  Q8_0: { bits: 8, scaling: 'scale' },
  Q4_0: { bits: 4, scaling: 'scale' },
  Q5_0: { bits: 5, scaling: 'scale' },
  Q4_1: { bits: 4, scaling: 'line' },
  Q5_1: { bits: 5, scaling: 'line' },
  Q6_K: { bits: 6, scaling: 'super-scale' },
  Q4_K: { bits: 4, scaling: 'super-line' },
  Q5_K: { bits: 5, scaling: 'super-line' },
};
export const storages = [...Object.keys(formats), 'f16', 'bf16'];

/** A random matrix on the device, and what it stands for. */
export function matrixOf(device: Device, storage: string, rows: number, columns: number) {
  const format = formats[storage];
  if (format) {
    const blockSize = format.scaling.startsWith('super') ? 256 : 32;
    const { paddedColumns } = quantizedLayout(columns, format.bits, format.scaling);
    expect(paddedColumns).toBe(Math.ceil(columns / blockSize) * blockSize);
    const bytes = testing.randomStored(storage, (rows * paddedColumns) / blockSize, 11);
    const { quants, scales } = testing.splitStored(storage, bytes);
    const values = testing.storedValues(storage, bytes);
    const words = (parts: Uint8Array<ArrayBuffer>) => upload(device, new Uint32Array(parts.buffer));
    const b: NarrowMatrix = { ...format, quants: words(quants), scales: scales.length > 0 ? words(scales) : undefined };
    const at = (i: number) => Math.floor(i / columns) * paddedColumns + (i % columns);
    return { b, weight: testing.reference([rows, columns], (i) => values[at(i)]!) };
  }
  const halves = testing.randomHalves(rows, columns, storage === 'bf16', 11);
  expect(halves.paddedColumns).toBe(halfPaddedColumns(columns));
  const b: NarrowMatrix = { bits: 16, bfloat: halves.bfloat, values: upload(device, halves.words) };
  return { b, weight: halves.values };
}
