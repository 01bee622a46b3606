// Entry point of kernels over independent values, each an element or a vector of four: an invocation handles ITEMS of them, a
// workgroup's width apart, and calls the kernel's `run` for each below parameters.values.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (workgroup.x + workgroup.y * grid.x) * (WORKGROUP_SIZE * ITEMS) + local;
  let end = min(first + WORKGROUP_SIZE * ITEMS, parameters.values);
  for (var i = first; i < end; i += u32(WORKGROUP_SIZE)) { run(i); }
}
