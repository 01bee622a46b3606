// out[0] = min(1, maxNorm / √sumOfSquares[0]): what gradients are multiplied by so that their norm is at most maxNorm.
// 0, which means no update, where the sum is not finite.
@compute @workgroup_size(1)
fn main() {
  let squares = sumOfSquares[0];
  let norm = sqrt(squares);
  var factor = 1.0;
  if (norm > parameters.maxNorm) { factor = parameters.maxNorm / norm; }
  // On the bits: a compiler may take it that no value is infinite or NaN.
  if ((bitcast<u32>(squares) & 0x7f800000u) == 0x7f800000u) { factor = 0.0; }
  out[0] = factor;
}
