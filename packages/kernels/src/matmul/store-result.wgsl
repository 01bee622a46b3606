// The end of a product: alpha · sum (+ bias) (+ out). Kernels that include this have the bindings and parameters of matmul,
// and VECTOR, BIAS and ACCUMULATE.
//
// RANK > 0: sum + alpha · (updateA · updateB) (+ bias) (+ out), where the update's inner axis, a multiple of 4, is so short that
// it is walked here. updateA is [rows, RANK]; updateB is [RANK, columns], or [columns, RANK] when TRANSPOSE_UPDATE. With
// DROPOUT_UPDATE, elements of the update [rows, columns] that a mask does not keep count as zero. All of this needs VECTOR.
#if DROPOUT_UPDATE
#include dropout-mask
#endif

/// Elements of a value.
const WIDTH = ${1 + 3 * VECTOR};

#if RANK > 0
/// Four elements of the update, from (row, column) on.
fn updateOf(row: u32, column: u32) -> vec4<f32> {
  var sum = vec4<f32>();
#for r in 0..RANK / 4
  {
    let left = updateA[row * (RANK / 4) + ${r}u];
#if TRANSPOSE_UPDATE
    let at = column * (RANK / 4) + ${r}u;
    sum += vec4<f32>(dot(left, updateB[at]), dot(left, updateB[at + RANK / 4]),
      dot(left, updateB[at + 2 * (RANK / 4)]), dot(left, updateB[at + 3 * (RANK / 4)]));
#else
    let stride = parameters.columns / 4u;
    let at = ${4 * r}u * stride + column / 4u;
    sum += left.x * updateB[at] + left.y * updateB[at + stride]
      + left.z * updateB[at + 2u * stride] + left.w * updateB[at + 3u * stride];
#endif
  }
#endfor
#if DROPOUT_UPDATE
  return select(vec4<f32>(), sum, kept((row * parameters.columns + column) / 4u));
#else
  return sum;
#endif
}
#endif

/// Stores a Value of the result of which `sum` is the product, if it is within it.
fn store(row: u32, column: u32, split: u32, sum: Value) {
  if (row >= parameters.rows || column >= parameters.columns) { return; }
  let outBase = split * parameters.rows * parameters.columns + parameters.outOffset + row * parameters.outStride;
  let at = (outBase + column) / WIDTH;
#if RANK > 0
  var value = sum + parameters.alpha * updateOf(row, column);
#else
  var value = parameters.alpha * sum;
#endif
#if BIAS
  value += bias[column / WIDTH];
#endif
#if ACCUMULATE
  value += out[at];
#endif
  out[at] = value;
}
