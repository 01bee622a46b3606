// out = the IEEE halves nearest to x, or to scale · x, ties to even: two to a word, the first in the low half; x [count].
// Beyond 65,504 they are infinite, and a NaN stays one.
//
// Worked out on the bits: pack2x16float may round either way, and gives what it likes where a value is out of range.
#include vector
#if VECTOR
alias Words = vec2<u32>;
#else
alias Words = u32;
#endif
#include values

/// The bits of the nearest halves.
fn halves(x: vec4<f32>) -> vec4<u32> {
  let bits = bitcast<vec4<u32>>(x);
  let size = bits & vec4<u32>(0x7fffffffu);
  // Rebiased and rounded in one addition: a carry moves into the exponent, as it should.
  let normal = (size - 0x38000000u + 0xfffu + ((size >> vec4<u32>(13u)) & vec4<u32>(1u))) >> vec4<u32>(13u);
  // Below 2^-14: the last place of |x| + 1/2 is worth as much as that of a subnormal half, so this addition rounds.
  let subnormal = bitcast<vec4<u32>>(bitcast<vec4<f32>>(size) + 0.5) - 0x3f000000u;
  let beyond = select(vec4<u32>(0x7c00u), vec4<u32>(0x7e00u), size > vec4<u32>(0x7f800000u));
  let within = select(normal, subnormal, size < vec4<u32>(0x38800000u));
  return ((bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u)) | select(within, beyond, size >= vec4<u32>(0x477ff000u));
}

fn run(i: u32) {
#if VECTOR
  var value = x[i];
#else
  var value = vec4<f32>(x[2u * i], 0.0, 0.0, 0.0);
  if (2u * i + 1u < parameters.count) { value.y = x[2u * i + 1u]; }
#endif
#if SCALED
  value *= scale[0];
#endif
  let bits = halves(value);
#if VECTOR
  out[i] = vec2<u32>(bits.x | (bits.y << 16u), bits.z | (bits.w << 16u));
#else
  out[i] = bits.x | (bits.y << 16u);
#endif
}
