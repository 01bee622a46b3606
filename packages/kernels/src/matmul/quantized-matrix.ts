/** Matrices of 8 or 4 bits a value in device memory: their layout, and checks of it. */
import type { BufferSlice } from '@crossgate/gpu';
import { requireElements } from '../slices';

/** Values that share a scale. */
export const quantizedBlockSize = 32;

export type QuantizedBits = 4 | 8;

/**
 * A frozen matrix [rows, columns] of signed integers with a scale for every 32 neighboring values of a row. Rows are
 * filled up to whole blocks. Value = scale · quant; `operand-b.wgsl` says which bits of a word hold which quant.
 */
export interface QuantizedMatrix {
  readonly bits: QuantizedBits;
  /** u32 [rows, blocks per row, 8 words (8 bits) or 4 words (4 bits)]. */
  readonly quants: BufferSlice;
  /** f16 [rows, blocks per row], filled up to a whole word. */
  readonly scales: BufferSlice;
}

/** Sizes of a quantised matrix in 32-bit words; those of a row's scales may end on half a word. */
export interface QuantizedLayout {
  readonly blocksPerRow: number;
  /** Values of a row with its filling. */
  readonly paddedColumns: number;
  readonly quantWordsPerRow: number;
  readonly scaleWordsPerRow: number;
}

/** Where the parts of a row lie. Pure. */
export function quantizedLayout(columns: number, bits: QuantizedBits): QuantizedLayout {
  const blocksPerRow = Math.ceil(columns / quantizedBlockSize);
  const paddedColumns = blocksPerRow * quantizedBlockSize;
  return {
    blocksPerRow,
    paddedColumns,
    quantWordsPerRow: (paddedColumns * bits) / 32,
    scaleWordsPerRow: blocksPerRow / 2,
  };
}

/** Requires both slices to hold a matrix. @throws InputError with both sizes. */
export function requireQuantized(
  kernel: string,
  name: string,
  b: QuantizedMatrix,
  rows: number,
  columns: number,
): void {
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, b.bits);
  requireElements(kernel, `${name}.quants`, b.quants, rows * quantWordsPerRow);
  requireElements(kernel, `${name}.scales`, b.scales, Math.ceil(rows * scaleWordsPerRow));
}
