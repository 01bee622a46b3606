// Which elements dropout keeps. Element i of a tensor draws word i % 4 of the Philox block at counter (i / 4, step counter,
// stream, 0) under key (seed, "CROS"), so a mask is never stored. Kept: (word >> 8) ≥ threshold, the integer form of "the
// word's uniform number in [0, 1) is at least p". firstBlock is the block at which the bound slice starts.
// Kernels that include this have the parameters of `mask.ts`.
#include philox

/// Whether each of four neighboring elements is kept, the fours being counted from the start of the slice.
fn kept(four: u32) -> vec4<bool> {
  let words = philox4x32(
    vec4<u32>(parameters.firstBlock + four, parameters.counter, parameters.stream, 0u),
    vec2<u32>(parameters.seed, 0x43524f53u),
  );
  return (words >> vec4<u32>(8u)) >= vec4<u32>(parameters.threshold);
}
