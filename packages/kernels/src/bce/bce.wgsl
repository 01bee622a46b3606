// Binary cross entropy with logits, row by row, z = logits[r], y = labels[r] in [0, 1]:
//   loss[r] = y·log(1 + e^-z) + (1 − y)·log(1 + e^z)
//   gradLogits[r] = (σ(z) − y)·gradScale, written (1 − y)·σ(z) − y·σ(−z), which keeps its precision at both ends.
#include numerics

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (workgroup.x + workgroup.y * grid.x) * (WORKGROUP_SIZE * ITEMS) + local;
  let end = min(first + WORKGROUP_SIZE * ITEMS, parameters.rows);
  for (var row = first; row < end; row += u32(WORKGROUP_SIZE)) {
    let z = logits[row];
    let y = labels[row];
    loss[row] = y * softplus(-z) + (1.0 - y) * softplus(z);
#if GRADIENT
    gradLogits[row] = ((1.0 - y) * logistic(z) - y * logistic(-z)) * parameters.gradScale;
#endif
  }
}
