// Second stage of RMSNorm's weight gradient: gradWeight[c] (+)= Σ_chunk partial[chunk, c], in the order of the chunks.
// partial [chunks, columns]; gradWeight [columns]. ACCUMULATE adds to what gradWeight holds.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let c = (workgroup.x + workgroup.y * grid.x) * u32(WORKGROUP_SIZE) + local;
  if (c >= parameters.columns) { return; }
  var sum = 0.0;
  for (var chunk = 0u; chunk < parameters.chunks; chunk++) { sum += partial[chunk * parameters.columns + c]; }
#if ACCUMULATE
  gradWeight[c] += sum;
#else
  gradWeight[c] = sum;
#endif
}
