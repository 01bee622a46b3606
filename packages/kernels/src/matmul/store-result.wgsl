// The end of a product in tiles: alpha · sum (+ bias) (+ out). Kernels that include this have the bindings and parameters of
// matmul, and VECTOR, BIAS and ACCUMULATE.

/// Elements of a value.
const WIDTH = ${1 + 3 * VECTOR};

/// Stores a Value of the result of which `sum` is the product, if it is within it.
fn store(row: u32, column: u32, split: u32, sum: Value) {
  if (row >= parameters.rows || column >= parameters.columns) { return; }
  let outBase = split * parameters.splitStride + parameters.outOffset + row * parameters.outStride;
  let at = (outBase + column) / WIDTH;
  var value = parameters.alpha * sum;
#if BIAS
  value += bias[column / WIDTH];
#endif
#if ACCUMULATE
  value += out[at];
#endif
  out[at] = value;
}
