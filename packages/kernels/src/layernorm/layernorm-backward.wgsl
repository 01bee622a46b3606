// Gradient of LayerNorm with respect to its input. With n = columns, z = (x − mean) · i, i = 1 / sqrt(variance + epsilon),
// g = gradOut ⊙ weight:
//   gradX = i · (g − Σ_c g_c / n − z · Σ_c g_c z_c / n)
// x, gradOut, gradX [rows, columns]; weight [columns]. Mean and i are computed again and, where the weight's gradient is
// wanted, kept in moments [rows]. VECTOR and ROW_PER_INVOCATION as in the forward kernel.
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

#include layernorm-moments

  var gradients = Value();
  var products = Value();
  for (var c = first; c < parameters.width; c += stride) {
    let gradient = gradOut[start + c] * weight[c];
    gradients += gradient;
    products = fma(gradient, (x[start + c] - mean) * inverse, products);
  }
#if ROW_PER_INVOCATION
  let gradientMean = total(gradients) / parameters.columns;
  let projection = total(products) / parameters.columns;
#else
  let gradientMean = workgroupSum(local, total(gradients)) / parameters.columns;
  let projection = workgroupSum(local, total(products)) / parameters.columns;
#endif

  for (var c = first; c < parameters.width; c += stride) {
    let normalized = (x[start + c] - mean) * inverse;
    gradX[start + c] = inverse * (gradOut[start + c] * weight[c] - gradientMean - normalized * projection);
  }
#if KEEP_MOMENTS
#if ROW_PER_INVOCATION
  moments[row] = vec2<f32>(mean, inverse);
#else
  if (local == 0u) { moments[row] = vec2<f32>(mean, inverse); }
#endif
#endif
}
