// gradLogits[r, j] = gradScale · (exp(logits[r, j] − logSumExp[r]) − [j = targets[r]]), zero for an ignored row
// (target 0xffffffff or beyond the vocabulary). logits, gradLogits [rows, vocab]; targets, logSumExp [rows].
#include invocations

fn run(invocation: u32) {
  let row = invocation / parameters.spansPerRow;
  if (row >= parameters.rows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let last = min(first + SPAN, parameters.vocab);
  let base = row * parameters.vocab;
  let token = targets[row];
  let normalizer = logSumExp[row];
  for (var j = first; j < last; j++) {
    var gradient = 0.0;
    if (token < parameters.vocab) {
      gradient = parameters.gradScale * (exp(logits[base + j] - normalizer) - select(0.0, 1.0, j == token));
    }
    gradLogits[base + j] = gradient;
  }
}
