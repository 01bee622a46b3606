// Gradient of softmax from its output: gradX[r, c] = out[r, c] · (gradOut[r, c] − Σ_c out[r, c] gradOut[r, c]).
// out, gradOut, gradX [rows, columns]. ROW_PER_INVOCATION as in the forward kernel.
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
  let start = row * parameters.columns;

  var projection = 0.0;
  for (var c = first; c < parameters.columns; c += stride) {
    projection = fma(out[start + c], gradOut[start + c], projection);
  }
#if !ROW_PER_INVOCATION
  projection = workgroupSum(local, projection);
#endif

  for (var c = first; c < parameters.columns; c += stride) {
    gradX[start + c] = out[start + c] * (gradOut[start + c] - projection);
  }
}
