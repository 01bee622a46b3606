// Random words, numbers or halves from a seed: out, in blocks of four words.
//
// Block i takes the four words of the Philox block at counter (firstBlock + i, 0, stream, 2) under key (seed, "CROS"); the
// last 2 keeps them apart from dropout (0) and from streams of the host (1). firstBlock is the block of the slice's start.
// KIND 0: the words themselves. KIND 32: four f32, low + width · (word >> 8) / 2²⁴. KIND 16: eight halves, two from each
// word: low + width · h / 2¹⁶ with h its lower 16 bits, then its upper 16.
#include philox
#include values

fn run(block: u32) {
  let words = philox4x32(
    vec4<u32>(parameters.firstBlock + block, 0u, parameters.stream, 2u),
    vec2<u32>(parameters.seed, 0x43524f53u),
  );
#if KIND == 0
  out[block] = words;
#endif
#if KIND == 32
  let numbers = parameters.low + parameters.width * (vec4<f32>(words >> vec4<u32>(8u)) * 5.9604644775390625e-8);
  out[block] = bitcast<vec4<u32>>(numbers);
#endif
#if KIND == 16
  let lower = parameters.low + parameters.width * (vec4<f32>(words & vec4<u32>(0xffffu)) * 1.52587890625e-5);
  let upper = parameters.low + parameters.width * (vec4<f32>(words >> vec4<u32>(16u)) * 1.52587890625e-5);
  out[block] = vec4<u32>(
    pack2x16float(vec2<f32>(lower.x, upper.x)),
    pack2x16float(vec2<f32>(lower.y, upper.y)),
    pack2x16float(vec2<f32>(lower.z, upper.z)),
    pack2x16float(vec2<f32>(lower.w, upper.w)),
  );
#endif
}
