// Second stage of the gradient of a norm's weight: gradWeight[c] (+)= Σ_chunk partial[chunk, c], in the order of the chunks.
// partial [chunks, columns]; gradWeight [columns]. ACCUMULATE adds to what gradWeight holds.
#include invocations

fn run(c: u32) {
  if (c >= parameters.columns) { return; }
  var sum = 0.0;
  for (var chunk = 0u; chunk < parameters.chunks; chunk++) { sum += partial[chunk * parameters.columns + c]; }
#if ACCUMULATE
  gradWeight[c] += sum;
#else
  gradWeight[c] = sum;
#endif
}
