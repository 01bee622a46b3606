// out[r, :] (+)= scale[r] · x[r, :]; x, out [rows, columns], scale [rows].
#include vector

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let invocation = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  let row = invocation / parameters.spansPerRow;
  if (row >= parameters.rows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let last = min(first + SPAN, parameters.valuesPerRow);
  let base = row * parameters.valuesPerRow;
  let factor = scale[row];
  for (var c = first; c < last; c++) {
#if ACCUMULATE
    out[base + c] += factor * x[base + c];
#else
    out[base + c] = factor * x[base + c];
#endif
  }
}
