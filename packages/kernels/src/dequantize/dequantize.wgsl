// out[i] = value i of stored weights: floats of 16 bits, or ggml's quantized blocks (ggml-quants.c), widened to f32.
//
// `blocks` are the file's bytes as 32-bit words. An invocation widens a run of 32 values: a block of 32, one of the eight
// runs of a block of 256, or 32 floats. `out` is in vectors of four. Scales are halves and quants small integers, so that
// every product but Q6_K's last is exact, and one rounding is all there is: the bits do not depend on the order.
//
// FORMAT: 0 F16, 1 BF16, 2 Q8_0, 3 blocks of 32 with BITS 4 or 5 (Q4_0, Q4_1, Q5_0, Q5_1; MINIMUM: with one), 4 blocks of
// 256 with BITS 4 or 5 (Q4_K, Q5_K), 6 Q6_K.

fn byteAt(at: u32) -> u32 { return (blocks[at >> 2u] >> ((at & 3u) * 8u)) & 255u; }

/// Four bytes from any place on.
fn wordAt(at: u32) -> u32 {
  let shift = (at & 3u) * 8u;
  let low = blocks[at >> 2u] >> shift;
  if (shift == 0u) { return low; }
  return low | (blocks[(at >> 2u) + 1u] << (32u - shift));
}

/// The value of a half by its bits; subnormal ones too, which unpack2x16float may take for zero.
fn halfValue(bits: u32) -> f32 {
  let sign = (bits & 0x8000u) << 16u;
  let exponent = (bits >> 10u) & 31u;
  let mantissa = bits & 1023u;
  if (exponent == 0u) { return bitcast<f32>(sign | bitcast<u32>(f32(mantissa) * 0x1p-24)); }
  let widened = select(exponent + 112u, 255u, exponent == 31u);
  return bitcast<f32>(sign | (widened << 23u) | (mantissa << 13u));
}

fn halfAt(at: u32) -> f32 { return halfValue(byteAt(at) | (byteAt(at + 1u) << 8u)); }

/// The bytes of a word as numbers.
fn unsignedBytes(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

fn signedByte(byte: u32) -> f32 { return f32(bitcast<i32>(byte << 24u) >> 24u); }

/// Bits first … first + 3 of a word, each as the fifth bit of a byte.
fn fifthBits(word: u32, first: u32) -> u32 {
  let bits = (word >> first) & 15u;
  return ((bits & 1u) << 4u) | ((bits & 2u) << 11u) | ((bits & 4u) << 18u) | ((bits & 8u) << 25u);
}

#include invocations

fn run(index: u32) {
  if (index >= parameters.runs) { return; }
  let to = parameters.first + index * 8u;
#if FORMAT <= 1
  let last = min(8u, parameters.vectors - index * 8u);
  for (var k = 0u; k < last; k++) {
    let pair = vec2<u32>(blocks[index * 16u + 2u * k], blocks[index * 16u + 2u * k + 1u]);
#if FORMAT == 0
    out[to + k] = vec4<f32>(halfValue(pair.x & 0xffffu), halfValue(pair.x >> 16u), halfValue(pair.y & 0xffffu),
      halfValue(pair.y >> 16u));
#else
    out[to + k] = bitcast<vec4<f32>>(vec4<u32>(pair.x << 16u, pair.x & 0xffff0000u, pair.y << 16u, pair.y & 0xffff0000u));
#endif
  }
#else
  let at = (index / RUNS) * BLOCK_BYTES;
  let part = index % RUNS;
#if FORMAT == 2
  let scale = halfAt(at);
  for (var k = 0u; k < 8u; k++) {
    // Flipping the upper bit adds 128 to a signed byte.
    out[to + k] = scale * (unsignedBytes(wordAt(at + 2u + 4u * k) ^ 0x80808080u) - 128.0);
  }
#endif
#if FORMAT == 3
  let scale = halfAt(at);
#if MINIMUM
  let minimum = halfAt(at + 2u);
  let highAt = at + 4u;
#else
  let highAt = at + 2u;
#endif
#if BITS == 5
  let high = wordAt(highAt);
  let quantsAt = highAt + 4u;
#else
  let quantsAt = highAt;
#endif
  for (var k = 0u; k < 4u; k++) {
    let word = wordAt(quantsAt + 4u * k);
    var lower = word & 0x0f0f0f0fu;
    var upper = (word >> 4u) & 0x0f0f0f0fu;
#if BITS == 5
    lower |= fifthBits(high, 4u * k);
    upper |= fifthBits(high, 16u + 4u * k);
#endif
#if MINIMUM
    out[to + k] = scale * unsignedBytes(lower) + minimum;
    out[to + k + 4u] = scale * unsignedBytes(upper) + minimum;
#else
    out[to + k] = scale * (unsignedBytes(lower) - f32(1 << (BITS - 1)));
    out[to + k + 4u] = scale * (unsignedBytes(upper) - f32(1 << (BITS - 1)));
#endif
  }
#endif
#if FORMAT == 4
  // Scales and minimums of 6 bits: four runs in the low bits of bytes, four in the rest of them and in nibbles.
  let packed = at + 4u + (part & 3u);
  let a = byteAt(packed);
  let b = byteAt(packed + 4u);
  let c = byteAt(packed + 8u);
  let scale = halfAt(at) * f32(select((c & 15u) | ((a >> 2u) & 48u), a & 63u, part < 4u));
  let minimum = halfAt(at + 2u) * f32(select((c >> 4u) | ((b >> 2u) & 48u), b & 63u, part < 4u));
  let quantsAt = at + BLOCK_BYTES - 128u + (part >> 1u) * 32u;
  for (var k = 0u; k < 8u; k++) {
    var quants = (wordAt(quantsAt + 4u * k) >> ((part & 1u) * 4u)) & 0x0f0f0f0fu;
#if BITS == 5
    quants |= ((wordAt(at + 16u + 4u * k) >> part) & 0x01010101u) << 4u;
#endif
    out[to + k] = scale * unsignedBytes(quants) - minimum;
  }
#endif
#if FORMAT == 6
  let scale = halfAt(at + 208u);
  let side = part >> 2u;
  let quarter = part & 3u;
  let lowAt = at + side * 64u + (quarter & 1u) * 32u;
  let highAt = at + 128u + side * 32u;
  for (var k = 0u; k < 8u; k++) {
    let low = (wordAt(lowAt + 4u * k) >> ((quarter >> 1u) * 4u)) & 0x0f0f0f0fu;
    let high = ((wordAt(highAt + 4u * k) >> (2u * quarter)) & 0x03030303u) << 4u;
    let runScale = scale * signedByte(byteAt(at + 192u + part * 2u + (k >> 2u)));
    out[to + k] = runScale * (unsignedBytes(low | high) - 32.0);
  }
#endif
#endif
}
