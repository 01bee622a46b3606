// Gradient of the answer's loss by every logit, from the scalars (R, c, ∂a, ∂b) of each row (see rows.wgsl):
//   gradLogits[r, yesToken] = ∂a, gradLogits[r, noToken] = ∂b, gradLogits[r, j] = exp(logits[r, j] − R)·c otherwise.
// logits, gradLogits [rows, vocab]; scalars [rows, 4].
#include invocations

fn run(invocation: u32) {
  let row = invocation / parameters.spansPerRow;
  if (row >= parameters.rows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let last = min(first + SPAN, parameters.vocab);
  let base = row * parameters.vocab;
  let scalar = scalars[row];
  for (var j = first; j < last; j++) {
    var gradient = 0.0;
    if (j == parameters.yesToken) {
      gradient = scalar.z;
    } else if (j == parameters.noToken) {
      gradient = scalar.w;
    } else {
#if KIND != YES_LOGIT_BCE
      gradient = exp(logits[base + j] - scalar.x) * scalar.y;
#endif
    }
    gradLogits[base + j] = gradient;
  }
}
