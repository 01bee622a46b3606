// SwiGLU: out = silu(gate) ⊙ up, silu(x) = x / (1 + e^-x). All of one shape.
// Shazeer, "GLU Variants Improve Transformer", 2020. An invocation handles ITEMS values, a workgroup's width apart.
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
    // The exponent is bounded, so nothing overflows; silu is below 1e-33 there.
    let sigmoid = 1.0 / (1.0 + exp(min(-z, Value(80.0))));
    out[i] = z * sigmoid * up[i];
  }
}
