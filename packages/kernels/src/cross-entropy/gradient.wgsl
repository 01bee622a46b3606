// gradLogits[r, j] = gradScale · (exp(logits[r, j] − logSumExp[r]) − [j = targets[r]]), zero for an ignored row
// (target 0xffffffff or beyond the vocabulary). logits, gradLogits [rows, vocab]; targets, logSumExp [rows].
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
  let last = min(first + SPAN, parameters.vocab);
  let base = row * parameters.vocab;
  let token = targets[row];
  let normalizer = logSumExp[row];
  for (var j = first; j < last; j++) {
    var gradient = 0.0;
    if (token < parameters.vocab) {
      gradient = parameters.gradScale * (exp(logits[base + j] - normalizer) - select(0.0, 1.0, j == token));
    }
    gradLogits[base + j] = gradient;
  }
}
