// Binary cross entropy with logits, row by row, z = logits[r], y = labels[r] in [0, 1]:
//   loss[r] = y·log(1 + e^-z) + (1 − y)·log(1 + e^z)
//   gradLogits[r] = (σ(z) − y)·gradScale, written (1 − y)·σ(z) − y·σ(−z), which keeps its precision at both ends.
#include numerics
#include values

fn run(row: u32) {
  let z = logits[row];
  let y = labels[row];
  loss[row] = y * softplus(-z) + (1.0 - y) * softplus(z);
#if GRADIENT
  gradLogits[row] = ((1.0 - y) * logistic(z) - y * logistic(-z)) * parameters.gradScale;
#endif
}
