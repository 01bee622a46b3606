// loss[r] = logSumExp[r] − logits[r, targets[r]], or 0 for an ignored row (target 0xffffffff or beyond the vocabulary).
// logits [rows, vocab]; targets, logSumExp, loss [rows].
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  if (row >= parameters.rows) { return; }
  let token = targets[row];
  var result = 0.0;
  if (token < parameters.vocab) { result = logSumExp[row] - logits[row * parameters.vocab + token]; }
  loss[row] = result;
}
