// loss[r] = logSumExp[r] − logits[r, targets[r]], or 0 for an ignored row (target 0xffffffff or beyond the vocabulary).
// logits [rows, vocab]; targets, logSumExp, loss [rows].
#include invocations

fn run(row: u32) {
  if (row >= parameters.rows) { return; }
  let token = targets[row];
  var result = 0.0;
  if (token < parameters.vocab) { result = logSumExp[row] - logits[row * parameters.vocab + token]; }
  loss[row] = result;
}
