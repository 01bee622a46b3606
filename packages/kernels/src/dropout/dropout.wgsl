// Inverted dropout (Srivastava et al. 2014): out[i] = x[i] / (1 − p) where element i is kept, else 0; x, out [count].
//
// Element i draws word i % 4 of the Philox block at counter (i / 4, step counter, stream, 0) under key (seed, "CROS"), so
// the mask is never stored and the backward is the same kernel on the gradient. Kept: (word >> 8) ≥ threshold, the
// integer form of "the word's uniform number in [0, 1) is at least p". firstBlock is the block of the slice's start.
// ACCUMULATE: out += in place of out =.
#include vector
#include philox
#include values

fn run(block: u32) {
  let words = philox4x32(
    vec4<u32>(parameters.firstBlock + block, parameters.counter, parameters.stream, 0u),
    vec2<u32>(parameters.seed, 0x43524f53u),
  );
  let factors = select(
    vec4<f32>(0.0),
    vec4<f32>(parameters.scale),
    (words >> vec4<u32>(8u)) >= vec4<u32>(parameters.threshold),
  );
#if VECTOR
#if ACCUMULATE
  out[block] += factors * x[block];
#else
  out[block] = factors * x[block];
#endif
#else
#for i in 0..4
  if (block * 4u + ${i}u < parameters.count) {
#if ACCUMULATE
    out[block * 4u + ${i}u] += factors[${i}] * x[block * 4u + ${i}u];
#else
    out[block * 4u + ${i}u] = factors[${i}] * x[block * 4u + ${i}u];
#endif
  }
#endfor
#endif
}
