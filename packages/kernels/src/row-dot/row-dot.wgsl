// Dot product of each pair of rows: out[r] = Σ_c a[r, c] · b[r, c]; a, b [rows, columns], out [rows].
//
// COOPERATIVE: a workgroup per row, neighbors read neighbors (hardware). Otherwise an invocation per row, without
// barriers (software adapters).
#include vector
#if COOPERATIVE
#include workgroup-reduce
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = workgroup.x + workgroup.y * grid.x;
#if COOPERATIVE
  let row = group;
  let first = local;
  let stride = u32(WORKGROUP_SIZE);
#else
  let row = group * WORKGROUP_SIZE + local;
  let first = 0u;
  let stride = 1u;
#endif
  // In the cooperative variant `row` is the same for the whole workgroup, so it leaves together.
  if (row >= parameters.rows) { return; }
  let base = row * parameters.valuesPerRow;
  var sum = Value(0.0);
  for (var c = first; c < parameters.valuesPerRow; c += stride) { sum += a[base + c] * b[base + c]; }
#if COOPERATIVE
  let result = workgroupSum(local, total(sum));
  if (local == 0u) { out[row] = result; }
#else
  out[row] = total(sum);
#endif
}
