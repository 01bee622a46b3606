/**
 * Matrices of few bits a value, read value by value in float64: blocks of integers with a half as scale, and halves.
 */
import { type Reference, reference } from './reference';

/** A matrix of 4 or 8 bits a value, as the kernels bind it. */
export interface QuantizedWords {
  readonly bits: 4 | 8;
  readonly rows: number;
  readonly columns: number;
  readonly quants: Uint32Array<ArrayBuffer>;
  /** Halves, two to a word. */
  readonly scales: Uint32Array<ArrayBuffer>;
}

/** The value of an IEEE half by its bits. */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The bits of the IEEE half nearest to a number, ties to even; infinite from 65,520 on. */
export function nearestHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  if (size >= 65_520) return sign | 0x7c00;
  let exponent = 15;
  while (exponent > -14 && 2 ** exponent > size) exponent--;
  // In units of the last place; a division by a power of two is exact.
  const units = size / 2 ** (exponent - 10);
  const below = Math.floor(units);
  const up = units - below > 0.5 || (units - below === 0.5 && below % 2 === 1);
  // Units count on from the exponent before: 1024 of them are one step of it.
  return sign | (((exponent + 14) << 10) + below + (up ? 1 : 0));
}

/** A matrix of 16 bits a value, as the kernels bind it. */
export interface HalfWords {
  readonly bfloat: boolean;
  /** Values of a row with its filling. */
  readonly paddedColumns: number;
  /** Two values to a word. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** What they stand for, [rows, columns]. */
  readonly values: Reference;
}

/** Random values of both signs in ±[2⁻⁴, 2), the filling of rows up to a multiple of 4 included. */
export function randomHalves(rows: number, columns: number, bfloat: boolean, seed: number): HalfWords {
  const next = randomIntegers(seed);
  const paddedColumns = 4 * Math.ceil(columns / 4);
  const [mantissa, bias] = bfloat ? [7, 127] : [10, 15];
  const halves = Uint16Array.from({ length: rows * paddedColumns }, () => {
    return ((next() & 1) << 15) | ((bias - 4 + (next() % 5)) << mantissa) | (next() % 2 ** mantissa);
  });
  const widened = (half: number) =>
    bfloat ? new Float32Array(Uint32Array.of(half << 16).buffer)[0]! : halfValue(half);
  return {
    bfloat,
    paddedColumns,
    words: new Uint32Array(halves.buffer),
    values: reference([rows, columns], (i) =>
      widened(halves[Math.floor(i / columns) * paddedColumns + (i % columns)]!),
    ),
  };
}

function randomIntegers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

/** Random quants with scales in ±[2⁻⁸, 2⁻⁴), the filling of the last block of a row included. */
export function randomQuantized(rows: number, columns: number, bits: 4 | 8, seed: number): QuantizedWords {
  const next = randomIntegers(seed);
  const blocks = rows * Math.ceil(columns / 32);
  const half = () => ((next() & 1) << 15) | ((7 + (next() % 4)) << 10) | (next() % 1024);
  return {
    ...{ bits, rows, columns },
    quants: Uint32Array.from({ length: blocks * bits }, () => ((next() << 16) ^ next()) >>> 0),
    scales: Uint32Array.from({ length: Math.ceil(blocks / 2) }, () => ((half() << 16) | half()) >>> 0),
  };
}

/** The matrix that quantized words stand for, [rows, columns]. */
export function dequantized({ bits, rows, columns, quants, scales }: QuantizedWords): Reference {
  const blocksPerRow = Math.ceil(columns / 32);
  const bytes = new Uint8Array(quants.buffer);
  const halves = new Uint16Array(scales.buffer);
  return reference([rows, columns], (i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const block = row * blocksPerRow + Math.floor(column / 32);
    const within = column % 32;
    const byte = bytes[bits === 8 ? block * 32 + within : block * 16 + (within % 16)]!;
    const quant = bits === 8 ? (byte << 24) >> 24 : (within < 16 ? byte & 15 : byte >> 4) - 8;
    return halfValue(halves[block]!) * quant;
  });
}
