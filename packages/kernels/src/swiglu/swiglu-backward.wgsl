// Gradients of SwiGLU, out = silu(z) ⊙ u with s = 1 / (1 + e^-z):
//   gradUp = gradOut · z · s,   gradGate = gradOut · u · s · (1 + z · (1 − s)).
#include vector

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let start = (workgroup.x + workgroup.y * grid.x) * u32(WORKGROUP_SIZE * ITEMS) + local;
  for (var item = 0u; item < u32(ITEMS); item++) {
    let i = start + item * u32(WORKGROUP_SIZE);
    if (i >= parameters.values) { return; }
    let z = gate[i];
    let gradient = gradOut[i];
    let e = exp(min(-z, Value(80.0)));
    let sigmoid = 1.0 / (1.0 + e);
    // 1 − s as e · s keeps its precision where s is near 1.
    gradUp[i] = gradient * z * sigmoid;
    gradGate[i] = gradient * up[i] * sigmoid * fma(z, e * sigmoid, Value(1.0));
  }
}
