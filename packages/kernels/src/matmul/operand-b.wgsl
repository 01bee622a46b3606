// How products read their second operand: values of f32, or quants of BITS bits that are widened as they are read.
//
// QUANTIZED: `b` holds 32-bit words, rows are blocks of 32 values along the contiguous axis, and value i of a block is
// scale · quant. 8 bits: word w of a block holds the signed quants 4w … 4w + 3. 4 bits: the low halves of the bytes of
// word w are the quants 4w … 4w + 3, the high halves 16 + 4w … 16 + 4w + 3, and 8 stands for zero (ggml's Q8_0 and
// Q4_0, without their scales). `scales` holds a half for each block, two to a word. 16 bits: word w of a row holds the
// values 2w and 2w + 1 as IEEE halves, or, with BFLOAT, as the upper halves of their f32; there are no scales. MINIMUM (4 bits):
// a word of `scales` holds a block's scale and its minimum, and a value is scale · quant + minimum, quants from 0 on (Q4_1).

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
#if MINIMUM
  let words = b[(index >> 3u) * 4u + (index & 3u)] >> (index & 4u);
  let line = unpack2x16float(scales[index >> 3u]);
  return line.x * vec4<f32>((vec4<u32>(words) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u)) + line.y;
#else
  let scale = unpack2x16float(scales[index >> 4u])[(index >> 3u) & 1u];
#if BITS == 8
  let quants = vec4<i32>(vec4<u32>(b[index]) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
#else
  let halves = b[(index >> 3u) * 4u + (index & 3u)] >> (index & 4u);
  let quants = vec4<i32>((vec4<u32>(halves) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u)) - vec4<i32>(8);
#endif
  return scale * vec4<f32>(quants);
#endif
#endif
}
#endif

/// A value of b, or a vector of four when VECTOR; the index is counted in those.
#if VECTOR
fn valueB(index: u32) -> vec4<f32> {
#if QUANTIZED
  return quantizedB(index);
#else
  return b[index];
#endif
}
#else
fn valueB(index: u32) -> f32 {
#if QUANTIZED
  return quantizedB(index >> 2u)[index & 3u];
#else
  return b[index];
#endif
}
#endif
