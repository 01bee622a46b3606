// Rotary position embedding, half rotation as in Hugging Face's LLaMA: in every head, components (i, i + headDim/2) of
// token t are rotated by positions[t] · frequency_i. Su et al., "RoFormer", 2021. INVERSE rotates back: the gradient.
// x, out [tokens, heads, headDim]; positions [tokens]; table [maxPositions, headDim/2] of (cosine, sine), from float64.
// One invocation per (token, unit of the half); it reads the table once for all heads. VECTOR: a unit is four pairs.
// PAIR: the same of secondX, secondOut [tokens, secondHeads, headDim].
#include vector
#include invocations

fn run(index: u32) {
  let token = index / parameters.half;
  if (token >= parameters.tokens) { return; }
  let unit = index % parameters.half;
  let entry = (positions[token] * parameters.half + unit) * 2u;
#if VECTOR
  let first = table[entry];
  let second = table[entry + 1u];
  let cosine = vec4<f32>(first.xz, second.xz);
#if INVERSE
  let sine = -vec4<f32>(first.yw, second.yw);
#else
  let sine = vec4<f32>(first.yw, second.yw);
#endif
#else
  let cosine = table[entry];
#if INVERSE
  let sine = -table[entry + 1u];
#else
  let sine = table[entry + 1u];
#endif
#endif
  for (var head = 0u; head < parameters.heads; head++) {
    let low = (token * parameters.heads + head) * 2u * parameters.half + unit;
    let high = low + parameters.half;
    let a = x[low];
    let b = x[high];
    out[low] = a * cosine - b * sine;
    out[high] = b * cosine + a * sine;
  }
#if PAIR
  for (var head = 0u; head < parameters.secondHeads; head++) {
    let low = (token * parameters.secondHeads + head) * 2u * parameters.half + unit;
    let high = low + parameters.half;
    let a = secondX[low];
    let b = secondX[high];
    secondOut[low] = a * cosine - b * sine;
    secondOut[high] = b * cosine + a * sine;
  }
#endif
}
