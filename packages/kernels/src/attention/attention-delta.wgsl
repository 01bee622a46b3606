// First step of attention's backward: what the two passes need to know of each query and token.
//   statistics[token, head] = (log2(e) · logSumExp, delta), delta = Σ_d gradOut_d · out_d = Σ_j P_ij dP_ij, the part of the
//   softmax's gradient that all keys of a query share (FlashAttention, section 3.1);
//   bounds[token] = (first token of its sequence, one past its last).
// gradOut, out [tokens, heads, headDim]; logSumExp [tokens, heads]. One invocation per (token, head).
#include vector
#include invocations
const LOG2_E = 1.4426950408889634;

fn run(row: u32) {
  if (row >= parameters.tokens * parameters.heads) { return; }
  var sum = Value();
  for (var d = 0u; d < parameters.width; d++) {
    sum = fma(gradOut[row * parameters.width + d], out[row * parameters.width + d], sum);
  }
  statistics[row] = vec2<f32>(logSumExp[row] * LOG2_E, total(sum));
  if (row % parameters.heads == 0u) {
    let token = row / parameters.heads;
    let sequence = sequenceOfToken[token];
    bounds[token] = vec2<u32>(offsets[sequence], offsets[sequence + 1u]);
  }
}
