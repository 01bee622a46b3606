/** Conversions between 32-bit floats and IEEE halves, given as their bits. */

/**
 * One IEEE half (as its 16 bits) as the bits of the f32 of equal value; infinities, NaN payloads and subnormals kept.
 */
function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  let mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (mantissa << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  // Subnormal: shift the leading one into the implicit place, lowering the exponent by as much.
  let shifted = 113;
  while ((mantissa & 0x400) === 0) {
    mantissa <<= 1;
    shifted -= 1;
  }
  return sign | (shifted << 23) | ((mantissa & 0x3ff) << 13);
}

let halfTable: Uint32Array | undefined;

/** All 65,536 halves, built once on first use: a look-up is several times faster than the branches above. */
function halfLookup(): Uint32Array {
  halfTable ??= Uint32Array.from({ length: 65536 }, (_, half) => halfToFloatBits(half));
  return halfTable;
}

/** Converts IEEE halves, given as their bits, to f32. Exact. */
export function float16ToFloat32(source: Uint16Array): Float32Array<ArrayBuffer> {
  const table = halfLookup();
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = table[source[i]!]!;
  return new Float32Array(bits.buffer);
}

/**
 * Rounds f32 to the bits of IEEE halves, to nearest, ties to even. From 65,520 on values become infinite; NaN stays
 * NaN.
 */
export function float32ToFloat16(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(new Float32Array(source).buffer);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) out[i] = floatBitsToHalf(bits[i]!);
  return out;
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The bits of the IEEE half nearest to one number, which is rounded to f32 first; see {@link float32ToFloat16}. */
export function halfBits(value: number): number {
  scratch[0] = value;
  return floatBitsToHalf(scratchBits[0]!);
}

function floatBitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // 65,520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Normal halves: rebias the exponent and round in one addition; a carry moves into the exponent, as it should.
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  // At most half of the smallest subnormal, 2^-25, rounds to zero.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}
