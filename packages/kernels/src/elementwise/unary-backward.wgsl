// gradX[i] (+)= scale · f'(x[i]) · gradOut[i] for the activation f; all [count].
#include activations

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (workgroup.x + workgroup.y * grid.x) * (WORKGROUP_SIZE * ITEMS) + local;
  let end = min(first + WORKGROUP_SIZE * ITEMS, parameters.values);
  for (var i = first; i < end; i += u32(WORKGROUP_SIZE)) {
    let gradient = parameters.scale * activationDerivative(x[i]) * gradOut[i];
#if ACCUMULATE
    gradX[i] += gradient;
#else
    gradX[i] = gradient;
#endif
  }
}
