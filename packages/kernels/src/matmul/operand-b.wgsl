// How kernels read an operand `b`: as it is, in Values, which the kernel declares (the include `vector`), or,
// QUANTIZED, quants of BITS bits that are widened as they are read.
//
// QUANTIZED: `b` holds 32-bit words. 16 bits: word w of a row holds the values 2w and 2w + 1 as IEEE halves, or, with
// BFLOAT, as the upper halves of their f32; there are no scales. Else rows are blocks along the contiguous axis, and the
// quants of a block lie as in ggml's blocks (ggml-quants.c), without what stands before or behind them:
// - 8 bits: word w of 32 values holds the signed quants 4w … 4w + 3.
// - 4 bits: the low halves of the bytes of word w of 32 values are the quants 4w … 4w + 3, the high ones 16 + 4w … 16 + 4w + 3.
// - 5 bits: a word with the fifth bit of each of 32 values, then as 4 bits.
// - SUPER, 4 bits: 256 values in runs of 32, two of which lie in the low and the high halves of 8 words' bytes. 5 bits: before
//   these, 8 words whose bytes hold the fifth bits of the 8 runs. 6 bits: twice 16 words, of which the first 8 hold the lower 4
//   bits of the first run and of the third, the others of the second and the fourth; then twice 8 words, whose bytes hold the
//   upper 2 bits of four runs.
//
// A value is scale · quant, with LINE scale · quant + minimum. Quants count from 0 on with LINE; else the middle stands for zero
// (8 bits are signed). `scales` holds a half for each block, two to a word; with LINE there are none: the word before a block's
// quants holds scale and minimum. SUPER:
// scales of 256 values, an f32 and 16 signed bytes, by which it is multiplied for 16 values each; with LINE two f32 and 8 pairs
// of unsigned bytes, for scale and minimum of 32 values each, and the minimum is taken away. They are f32 as the halves in
// files are often subnormal, which unpack2x16float may take for zero.

#if QUANTIZED
alias Operand = u32;
#else
alias Operand = Value;
#endif

#if QUANTIZED
/// Four neighboring values, the index counted in fours.
fn quantizedB(index: u32) -> vec4<f32> {
#if BITS == 16
  let words = vec2<u32>(b[2u * index], b[2u * index + 1u]);
#if BFLOAT
  return bitcast<vec4<f32>>(vec4<u32>(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
#else
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
#endif
#else
  let shifts = vec4<u32>(0u, 8u, 16u, 24u);
#if BITS == 8
  let quants = vec4<f32>(vec4<i32>(vec4<u32>(b[index]) << shifts.wzyx) >> vec4<u32>(24u));
#else
#if SUPER
  let block = (index >> 6u) * (8u * BITS);
#if BITS == 4
  let bytes = (b[block + ((index >> 1u) & 24u) + (index & 7u)] >> ((index >> 1u) & 4u)) & 0x0f0f0f0fu;
#endif
#if BITS == 5
  let low = (b[block + 8u + ((index >> 1u) & 24u) + (index & 7u)] >> ((index >> 1u) & 4u)) & 0x0f0f0f0fu;
  let bytes = low | (((b[block + (index & 7u)] >> ((index >> 3u) & 7u)) & 0x01010101u) << 4u);
#endif
#if BITS == 6
  let low = (b[block + ((index >> 1u) & 16u) + (index & 15u)] >> ((index >> 2u) & 4u)) & 0x0f0f0f0fu;
  let high = (b[block + 32u + ((index >> 2u) & 8u) + (index & 7u)] >> ((index >> 2u) & 6u)) & 0x03030303u;
  let bytes = low | (high << 4u);
#endif
#else
#if LINE
  let block = (index >> 3u) * (1u + BITS) + 1u;
#else
  let block = (index >> 3u) * BITS;
#endif
#if BITS == 4
  let bytes = (b[block + (index & 3u)] >> (index & 4u)) & 0x0f0f0f0fu;
#else
  let low = (b[block + 1u + (index & 3u)] >> (index & 4u)) & 0x0f0f0f0fu;
  // The product puts bits 0 to 3 at 0, 8, 16 and 24, and others between.
  let fifths = (((b[block] >> (4u * (index & 7u))) & 15u) * 0x00204081u) & 0x01010101u;
  let bytes = low | (fifths << 4u);
#endif
#endif
#if LINE
  let quants = vec4<f32>((vec4<u32>(bytes) >> shifts) & vec4<u32>(255u));
#else
  let quants = vec4<f32>((vec4<u32>(bytes) >> shifts) & vec4<u32>(255u)) - f32(1 << (BITS - 1));
#endif
#endif
#if SUPER
#if LINE
  let at = (index >> 6u) * 6u;
  let steps = scales[at + 2u + ((index >> 4u) & 3u)] >> ((index << 1u) & 16u);
  let scale = bitcast<f32>(scales[at]) * f32(steps & 255u);
  return scale * quants - bitcast<f32>(scales[at + 1u]) * f32((steps >> 8u) & 255u);
#else
  let at = (index >> 6u) * 5u;
  let step = bitcast<i32>(scales[at + 1u + ((index >> 4u) & 3u)] << (24u - ((index << 1u) & 24u))) >> 24u;
  return bitcast<f32>(scales[at]) * f32(step) * quants;
#endif
#else
#if LINE
  let line = unpack2x16float(b[block - 1u]);
  return line.x * quants + line.y;
#else
  return unpack2x16float(scales[index >> 4u])[(index >> 3u) & 1u] * quants;
#endif
#endif
#endif
}
#endif

/// A value of b; the index is counted in those.
fn valueB(index: u32) -> Value {
#if QUANTIZED
#if VECTOR
  return quantizedB(index);
#else
  return quantizedB(index >> 2u)[index & 3u];
#endif
#else
  return b[index];
#endif
}
