// Gradient of RMSNorm with respect to its input. With n = columns, i = 1 / sqrt(mean(x²) + epsilon), g = gradOut ⊙ weight:
//   gradX = i · g − x · (i³ / n) · Σ_c g_c x_c
// x, gradOut, gradX [rows, columns]; weight [columns]. i is computed again and, where the weight's gradient is wanted,
// kept in inverse [rows]. VECTOR as in the forward kernel.
// ADD: gradX += gradSum [rows, columns], what reaches x beside the norm.
#include vector
#include row-walk

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.width;
  var squares = Value();
  var products = Value();
  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    let value = x[start + c];
    squares = fma(value, value, squares);
    products = fma(gradOut[start + c] * weight[c], value, products);
  }
  let squareSum = rowSum(walk, total(squares));
  let projection = rowSum(walk, total(products));
  let inverseRms = 1.0 / sqrt(squareSum / parameters.columns + parameters.epsilon);
  let correction = projection * inverseRms * inverseRms * inverseRms / parameters.columns;

  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    let gradient = gradOut[start + c] * weight[c] * inverseRms - x[start + c] * correction;
#if ADD
    gradX[start + c] = gradSum[start + c] + gradient;
#else
    gradX[start + c] = gradient;
#endif
  }
#if KEEP_INVERSE
  if (walk.first == 0u) { inverse[row] = inverseRms; }
#endif
}
