// Gradient of RMSNorm with respect to its input. With n = columns, i = 1 / sqrt(mean(x²) + epsilon), g = gradOut ⊙ weight:
//   gradX = i · g − x · (i³ / n) · Σ_c g_c x_c
// x, gradOut, gradX [rows, columns]; weight [columns]. i is computed again and, where the weight's gradient is wanted,
// kept in inverse [rows]. VECTOR and ROW_PER_INVOCATION as in the forward kernel.
#include vector
#if !ROW_PER_INVOCATION
#include workgroup-reduce
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
#if ROW_PER_INVOCATION
  let row = index * u32(WORKGROUP_SIZE) + local;
  if (row >= parameters.rows) { return; }
  let first = 0u;
  let stride = 1u;
#else
  let row = index;
  if (row >= parameters.rows) { return; }
  let first = local;
  let stride = u32(WORKGROUP_SIZE);
#endif
  let start = row * parameters.width;

  var squares = Value();
  var products = Value();
  for (var c = first; c < parameters.width; c += stride) {
    let value = x[start + c];
    squares = fma(value, value, squares);
    products = fma(gradOut[start + c] * weight[c], value, products);
  }
#if ROW_PER_INVOCATION
  let squareSum = total(squares);
  let projection = total(products);
#else
  let squareSum = workgroupSum(local, total(squares));
  let projection = workgroupSum(local, total(products));
#endif
  let inverseRms = 1.0 / sqrt(squareSum / parameters.columns + parameters.epsilon);
  let correction = projection * inverseRms * inverseRms * inverseRms / parameters.columns;

  for (var c = first; c < parameters.width; c += stride) {
    gradX[start + c] = gradOut[start + c] * weight[c] * inverseRms - x[start + c] * correction;
  }
#if KEEP_INVERSE
#if ROW_PER_INVOCATION
  inverse[row] = inverseRms;
#else
  if (local == 0u) { inverse[row] = inverseRms; }
#endif
#endif
}
