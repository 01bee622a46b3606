// Gradients of SwiGLU, out = silu(z) ⊙ u with s = 1 / (1 + e^-z):
//   gradUp = gradOut · z · s,   gradGate = gradOut · u · s · (1 + z · (1 − s)).
#include vector
#include values

fn run(i: u32) {
  let z = gate[i];
  let gradient = gradOut[i];
  let e = exp(min(-z, Value(80.0)));
  let sigmoid = 1.0 / (1.0 + e);
  // 1 − s as e · s keeps its precision where s is near 1.
  gradUp[i] = gradient * z * sigmoid;
  gradGate[i] = gradient * up[i] * sigmoid * fma(z, e * sigmoid, Value(1.0));
}
