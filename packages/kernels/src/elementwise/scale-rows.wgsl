// out[r, :] (+)= scale[r] · x[r, :]; x, out [rows, columns], scale [rows].
#include vector
#include invocations

fn run(invocation: u32) {
  let row = invocation / parameters.spansPerRow;
  if (row >= parameters.rows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let last = min(first + SPAN, parameters.valuesPerRow);
  let base = row * parameters.valuesPerRow;
  let factor = scale[row];
  for (var c = first; c < last; c++) {
#if ACCUMULATE
    out[base + c] += factor * x[base + c];
#else
    out[base + c] = factor * x[base + c];
#endif
  }
}
