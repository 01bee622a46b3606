/** Matrices of 16, 8 or 4 bits a value in device memory: their layout, and checks of it. */
import type { BufferSlice } from '@crossgate/gpu';
import { elements, requireElements } from '../slices';
import operandSource from './operand-b.wgsl';

/** What kernels that read such matrices include. */
export const operandIncludes = { 'operand-b': operandSource };

/** Constants that say how an operand is stored, as they are for f32 and 32 bits. */
export const storageOf = (quantized: boolean) => ({
  QUANTIZED: quantized,
  SCALED: false,
  MINIMUM: false,
  BFLOAT: false,
  BITS: 32,
});

/** The same constants for a matrix of fewer bits. */
export function narrowConstants(b: NarrowMatrix) {
  const [scaled, bfloat] = b.bits === 16 ? [false, b.bfloat] : [true, false];
  return { BITS: b.bits, SCALED: scaled, MINIMUM: b.bits !== 16 && b.minimum === true, BFLOAT: bfloat };
}

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
  /** f16 [rows, blocks per row], filled up to a whole word; with minimums f16 [rows, blocks per row, 2]. */
  readonly scales: BufferSlice;
  /** 4 bits only: value = scale · quant + minimum, quants from 0 to 15. Default false. */
  readonly minimum?: boolean;
}

/** A frozen matrix [rows, columns] of 16 bits a value. Rows are filled up to a multiple of 4 values. */
export interface HalfMatrix {
  readonly bits: 16;
  /** False: IEEE halves. True: bfloat16, the upper half of an f32. */
  readonly bfloat: boolean;
  /** u32 [rows, padded columns / 2]. */
  readonly values: BufferSlice;
}

/** What a product's second operand may be beside f32. */
export type NarrowMatrix = QuantizedMatrix | HalfMatrix;

/** Values of a row of 16 bits each, with its filling. Pure. */
export function halfPaddedColumns(columns: number): number {
  return 4 * Math.ceil(columns / 4);
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
export function quantizedLayout(columns: number, bits: QuantizedBits, minimum = false): QuantizedLayout {
  const blocksPerRow = Math.ceil(columns / quantizedBlockSize);
  const paddedColumns = blocksPerRow * quantizedBlockSize;
  return {
    blocksPerRow,
    paddedColumns,
    quantWordsPerRow: (paddedColumns * bits) / 32,
    scaleWordsPerRow: minimum ? blocksPerRow : blocksPerRow / 2,
  };
}

/** The distance between rows in values, and the words that the matrix's parts take for each row. Pure. */
export function narrowLayout(
  b: NarrowMatrix,
  columns: number,
): { readonly stride: number; readonly wordsPerRow: readonly number[] } {
  if (b.bits === 16) {
    const stride = halfPaddedColumns(columns);
    return { stride, wordsPerRow: [stride / 2] };
  }
  const { paddedColumns, quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, b.bits, b.minimum);
  return { stride: paddedColumns, wordsPerRow: [quantWordsPerRow, scaleWordsPerRow] };
}

/** Some rows of a matrix, as kernels bind them. */
export function narrowRows(b: NarrowMatrix, columns: number, first: number, count: number) {
  const [words = 0, scaleWords = 0] = narrowLayout(b, columns).wordsPerRow;
  if (b.bits === 16) return { b: elements(b.values, first * words, count * words), scales: undefined };
  return {
    b: elements(b.quants, first * words, count * words),
    scales: elements(b.scales, first * scaleWords, Math.ceil(count * scaleWords)),
  };
}

/** Requires the slices to hold a matrix. @throws InputError with both sizes. */
export function requireNarrow(kernel: string, name: string, b: NarrowMatrix, rows: number, columns: number): void {
  if (b.bits === 16) {
    requireElements(kernel, `${name}.values`, b.values, (rows * halfPaddedColumns(columns)) / 2);
    return;
  }
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, b.bits, b.minimum);
  requireElements(kernel, `${name}.quants`, b.quants, rows * quantWordsPerRow);
  requireElements(kernel, `${name}.scales`, b.scales, Math.ceil(rows * scaleWordsPerRow));
}
