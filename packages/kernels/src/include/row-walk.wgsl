// Entry point of kernels over the rows of a matrix, and reductions of a row. With ROW_PER_INVOCATION one invocation walks
// a whole row (software adapters, where barriers cost more than they save); otherwise a workgroup shares it.
// The kernel declares `fn walkRow(row: u32, walk: Walk)` and has parameters.rows.
#if !ROW_PER_INVOCATION
#include workgroup-reduce
#endif

/// An invocation's part of a row: the columns first, first + stride, first + 2 · stride, …
struct Walk {
  first: u32,
  stride: u32,
}

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
  walkRow(row, Walk(0u, 1u));
#else
  if (index >= parameters.rows) { return; }
  walkRow(index, Walk(local, u32(WORKGROUP_SIZE)));
#endif
}

/// Sum of one value from each part of a row, given to all of them.
fn rowSum(walk: Walk, value: f32) -> f32 {
#if ROW_PER_INVOCATION
  return value;
#else
  return workgroupSum(walk.first, value);
#endif
}

/// Maximum of one value from each part of a row, given to all of them.
fn rowMaximum(walk: Walk, value: f32) -> f32 {
#if ROW_PER_INVOCATION
  return value;
#else
  return workgroupMaximum(walk.first, value);
#endif
}
