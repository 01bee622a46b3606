// Entry point of kernels in which every invocation works by itself: calls the kernel's `run` with the number of the
// invocation, counted over a grid that may be folded into two dimensions. The last ones may be beyond the work: `run` checks.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  run((workgroup.x + workgroup.y * grid.x) * u32(WORKGROUP_SIZE) + local);
}
