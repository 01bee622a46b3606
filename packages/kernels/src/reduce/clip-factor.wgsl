// out[0] = min(1, maxNorm / √sumOfSquares[0]): what gradients are multiplied by so that their norm is at most maxNorm.
@compute @workgroup_size(1)
fn main() {
  let norm = sqrt(sumOfSquares[0]);
  var factor = 1.0;
  if (norm > parameters.maxNorm) { factor = parameters.maxNorm / norm; }
  out[0] = factor;
}
