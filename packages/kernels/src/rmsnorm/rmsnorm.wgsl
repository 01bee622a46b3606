// RMSNorm: out[r, c] = x[r, c] · weight[c] / sqrt(mean_c(x[r, c]²) + epsilon).
// x, out [rows, columns]; weight [columns]. Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019.
// ADD: x + y takes the place of x, and is written to sum; y, sum [rows, columns].
// VECTOR: an element of the arrays is four columns.
#include vector
#include row-walk

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.width;
  var squares = Value();
  for (var c = walk.first; c < parameters.width; c += walk.stride) {
#if ADD
    let value = x[start + c] + y[start + c];
    sum[start + c] = value;
#else
    let value = x[start + c];
#endif
    squares = fma(value, value, squares);
  }
  let squareSum = rowSum(walk, total(squares));
  let inverse = 1.0 / sqrt(squareSum / parameters.columns + parameters.epsilon);

  for (var c = walk.first; c < parameters.width; c += walk.stride) {
#if ADD
    out[start + c] = sum[start + c] * inverse * weight[c];
#else
    out[start + c] = x[start + c] * inverse * weight[c];
#endif
  }
}
