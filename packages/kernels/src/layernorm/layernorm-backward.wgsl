// Gradient of LayerNorm with respect to its input. With n = columns, z = (x − mean) · i, i = 1 / sqrt(variance + epsilon),
// g = gradOut ⊙ weight:
//   gradX = i · (g − Σ_c g_c / n − z · Σ_c g_c z_c / n)
// x, gradOut, gradX [rows, columns]; weight [columns]. Mean and i are computed again and, where the weight's gradient is
// wanted, kept in moments [rows]. VECTOR as in the forward kernel.
#include vector
#include row-walk
#include layernorm-moments

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.width;
  let own = momentsOf(start, walk);
  let mean = own.x;
  let inverse = own.y;
  var gradients = Value();
  var products = Value();
  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    let gradient = gradOut[start + c] * weight[c];
    gradients += gradient;
    products = fma(gradient, (x[start + c] - mean) * inverse, products);
  }
  let gradientMean = rowSum(walk, total(gradients)) / parameters.columns;
  let projection = rowSum(walk, total(products)) / parameters.columns;

  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    let normalized = (x[start + c] - mean) * inverse;
    gradX[start + c] = inverse * (gradOut[start + c] * weight[c] - gradientMean - normalized * projection);
  }
#if KEEP_MOMENTS
  if (walk.first == 0u) { moments[row] = own; }
#endif
}
