// gradX[i] (+)= scale · f'(x[i]) · gradOut[i] for the activation f; all [count].
#include activations

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (workgroup.x + workgroup.y * grid.x) * (WORKGROUP_SIZE * ITEMS) + local;
  for (var item = 0u; item < ITEMS; item++) {
    let i = first + item * WORKGROUP_SIZE;
    if (i >= parameters.values) { return; }
    let gradient = parameters.scale * activationDerivative(x[i]) * gradOut[i];
#if ACCUMULATE
    gradX[i] += gradient;
#else
    gradX[i] = gradient;
#endif
  }
}
