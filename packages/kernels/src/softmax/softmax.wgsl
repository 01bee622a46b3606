// Softmax of each row: out[r, c] = exp(x[r, c] − m_r) / Σ_c exp(x[r, c] − m_r), m_r the row's largest element.
// x, out [rows, columns]. ROW_PER_INVOCATION: an invocation walks a row; otherwise a workgroup shares it.
#if !ROW_PER_INVOCATION
#include workgroup-reduce
#endif
const LOWEST = -3.4028234663852886e38;

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

  var largest = LOWEST;
  for (var c = first; c < parameters.columns; c += stride) { largest = max(largest, x[start + c]); }
#if !ROW_PER_INVOCATION
  largest = workgroupMaximum(local, largest);
#endif

  var normalizer = 0.0;
  for (var c = first; c < parameters.columns; c += stride) { normalizer += exp(x[start + c] - largest); }
#if !ROW_PER_INVOCATION
  normalizer = workgroupSum(local, normalizer);
#endif

  for (var c = first; c < parameters.columns; c += stride) {
    out[start + c] = exp(x[start + c] - largest) / normalizer;
  }
}
