// RMSNorm: out[r, c] = x[r, c] · weight[c] / sqrt(mean_c(x[r, c]²) + epsilon).
// x, out [rows, columns]; weight [columns]. Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019.
// VECTOR: an element of the arrays is four columns.
#include vector
#include row-walk

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.width;
  var squares = Value();
  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    let value = x[start + c];
    squares = fma(value, value, squares);
  }
  let squareSum = rowSum(walk, total(squares));
  let inverse = 1.0 / sqrt(squareSum / parameters.columns + parameters.epsilon);

  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    out[start + c] = x[start + c] * inverse * weight[c];
  }
}
