/** Matrices of 16, 8 or 4 bits a value in device memory: their layout, and checks of it. */
import { type BufferSlice, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { elements, requireElements } from '../slices';
import operandSource from './operand-b.wgsl';

/** What kernels that read such matrices include. */
export const operandIncludes = { ...includes, 'operand-b': operandSource };

/** What they bind; `scales` is there for some storages only. */
export const operandBindings = {
  b: { access: 'read', type: 'Operand' },
  scales: { access: 'read', type: 'u32', when: 'SCALED' },
} as const;

/** Defaults of the constants that say how an operand is stored: as f32. */
export const operandConstants = { QUANTIZED: false, SCALED: false, LINE: false, SUPER: false, BFLOAT: false, BITS: 32 };

/** What differs from these for an operand. Pure. */
export function storageConstants(b: Operand): Partial<typeof operandConstants> {
  if (!('bits' in b)) return {};
  const narrow = { QUANTIZED: true, BITS: b.bits };
  if (b.bits === 16) return { ...narrow, BFLOAT: b.bfloat };
  const scaling = b.scaling ?? 'scale';
  return { ...narrow, SCALED: scaling !== 'line', ...constantsOf[scaling] };
}

/** Bits of a quantized value. */
export type QuantizedBits = 4 | 5 | 6 | 8;

/**
 * What a block's quants q stand for. Scales are halves, one for every 32 neighboring values of a row, or, in ggml's K
 * types, of two levels: an f32 for 256 values and small integers for 32 or 16.
 * - `scale`: scale · q, signed quants (8, 4, 5 bits: Q8_0, Q4_0, Q5_0).
 * - `line`: scale · q + minimum, quants from 0 on (4, 5 bits: Q4_1, Q5_1).
 * - `super-scale`: (scale · s) · q with s of −128 to 127 for every 16 values, signed quants (6 bits: Q6_K).
 * - `super-line`: (scale · s) · q − minimum · t with s and t of 0 to 255 for every 32 values, quants from 0 on (4, 5
 *   bits: Q4_K, Q5_K).
 */
export type QuantizedScaling = 'scale' | 'line' | 'super-scale' | 'super-line';

/** Which of these a matrix has. */
export interface QuantizedMatrixFormat {
  /** Bits of a quant. */
  readonly bits: QuantizedBits;
  /** What its blocks stand for. */
  readonly scaling: QuantizedScaling;
}

const constantsOf = {
  scale: { LINE: false, SUPER: false },
  line: { LINE: true, SUPER: false },
  'super-scale': { LINE: false, SUPER: true },
  'super-line': { LINE: true, SUPER: true },
} as const satisfies Record<QuantizedScaling, object>;

/**
 * Values of a block, to which rows are filled up, and 32-bit words of its scales: beside the quants, or before them.
 */
const scalingLayouts = {
  scale: { blockSize: 32, scaleWords: 0.5, inlineWords: 0 },
  line: { blockSize: 32, scaleWords: 0, inlineWords: 1 },
  'super-scale': { blockSize: 256, scaleWords: 5, inlineWords: 0 },
  'super-line': { blockSize: 256, scaleWords: 6, inlineWords: 0 },
} as const satisfies Record<QuantizedScaling, object>;

/**
 * A frozen matrix [rows, columns] of integers of few bits, with scales that neighboring values of a row share. Rows are
 * filled up to whole blocks of 32 or 256. `operand-b.wgsl` says which bits of a word hold which quant.
 */
export interface QuantizedMatrix {
  /** Bits of a quant. */
  readonly bits: QuantizedBits;
  /**
   * u32 [rows, padded columns · bits / 32]; `line` u32 [rows, blocks, 1 + bits], the word before being f16 [2] (scale,
   * minimum).
   */
  readonly quants: BufferSlice;
  /**
   * By blocks of a row: `scale` f16, filled up to a whole word; `line` absent; `super-scale` an f32 and i8 [16];
   * `super-line` f32 [2] (scale, minimum) and u8 [8, 2] (s, t).
   */
  readonly scales?: BufferSlice | undefined;
  /** Default `scale`. */
  readonly scaling?: QuantizedScaling;
}

/** A frozen matrix [rows, columns] of 16 bits a value. Rows are filled up to a multiple of 4 values. */
export interface HalfMatrix {
  /** Tells this from a {@link QuantizedMatrix}. */
  readonly bits: 16;
  /** False: IEEE halves. True: bfloat16, the upper half of an f32. */
  readonly bfloat: boolean;
  /** u32 [rows, padded columns / 2]. */
  readonly values: BufferSlice;
}

/** What a product's second operand may be beside f32. */
export type NarrowMatrix = QuantizedMatrix | HalfMatrix;

/** An operand that is stored as f32, or in fewer bits. */
export type Operand = BufferSlice | NarrowMatrix;

/** Values of a row of 16 bits each, with its filling. Pure. */
export function halfPaddedColumns(columns: number): number {
  return 4 * Math.ceil(columns / 4);
}

/** Sizes of a quantized matrix in 32-bit words; those of a row's scales may end on half a word. */
export interface QuantizedLayout {
  /** Values of a row with its filling. */
  readonly paddedColumns: number;
  /** Words of a row's quants, with those of scales that lie among them. */
  readonly quantWordsPerRow: number;
  /** Words of a row's scales, beside the quants; 0 where there are none. */
  readonly scaleWordsPerRow: number;
}

/** Where the parts of a row lie. Pure. */
export function quantizedLayout(
  columns: number,
  bits: QuantizedBits,
  scaling: QuantizedScaling = 'scale',
): QuantizedLayout {
  const { blockSize, scaleWords, inlineWords } = scalingLayouts[scaling];
  const blocks = Math.ceil(columns / blockSize);
  return {
    paddedColumns: blocks * blockSize,
    quantWordsPerRow: blocks * ((blockSize * bits) / 32 + inlineWords),
    scaleWordsPerRow: blocks * scaleWords,
  };
}

/** The distance between rows in values, and the words that the operand's parts take for each row. Pure. */
export function operandLayout(
  b: Operand,
  columns: number,
): { readonly stride: number; readonly wordsPerRow: readonly number[] } {
  if (!('bits' in b)) return { stride: columns, wordsPerRow: [columns] };
  if (b.bits === 16) {
    const stride = halfPaddedColumns(columns);
    return { stride, wordsPerRow: [stride / 2] };
  }
  const { paddedColumns, quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, b.bits, b.scaling);
  return {
    stride: paddedColumns,
    wordsPerRow: [quantWordsPerRow, ...(scaleWordsPerRow > 0 ? [scaleWordsPerRow] : [])],
  };
}

/** Some rows of an operand, as {@link operandBindings} has them. Pure. */
export function operandRows(b: Operand, columns: number, first: number, count: number) {
  const [words = 0, scaleWords = 0] = operandLayout(b, columns).wordsPerRow;
  const rowsOf = (slice: BufferSlice) => elements(slice, first * words, count * words);
  if (!('bits' in b)) return { b: rowsOf(b), scales: undefined };
  if (b.bits === 16) return { b: rowsOf(b.values), scales: undefined };
  return {
    b: rowsOf(b.quants),
    scales: b.scales && elements(b.scales, first * scaleWords, Math.ceil(count * scaleWords)),
  };
}

/** Requires the slices to hold an operand [rows, columns]. @throws InputError with both sizes. */
export function requireOperand(kernel: string, name: string, b: Operand, rows: number, columns: number): void {
  if (!('bits' in b)) {
    requireElements(kernel, name, b, rows * columns);
    return;
  }
  if (b.bits === 16) {
    requireElements(kernel, `${name}.values`, b.values, (rows * halfPaddedColumns(columns)) / 2);
    return;
  }
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, b.bits, b.scaling);
  requireElements(kernel, `${name}.quants`, b.quants, rows * quantWordsPerRow);
  if (scaleWordsPerRow === 0) return;
  if (!b.scales) throw new InputError(`${kernel}: "${name}" has no scales, but is of ${b.scaling ?? 'scale'}`);
  requireElements(kernel, `${name}.scales`, b.scales, Math.ceil(rows * scaleWordsPerRow));
}
