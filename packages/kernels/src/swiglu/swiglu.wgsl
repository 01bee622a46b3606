// SwiGLU: out = silu(gate) ⊙ up, silu(x) = x / (1 + e^-x). All of one shape.
// Shazeer, "GLU Variants Improve Transformer", 2020.
#include vector
#include values

fn run(i: u32) {
  let z = gate[i];
  // The exponent is bounded, so nothing overflows; silu is below 1e-33 there.
  let sigmoid = 1.0 / (1.0 + exp(min(-z, Value(80.0))));
  out[i] = z * sigmoid * up[i];
}
