// What becomes of an optimizer step whose gradients were multiplied by a loss scale: from their sum of squares, in one
// invocation. state: scale, finite steps since it last changed, steps skipped in all, skipped in a row, updates done.
//   finite:  control ← factor that undoes the scale (and clips the norm to maxNorm, if that is not 0),
//            1 / (1 − β1^t), 1 / √(1 − β2^t) of the update t;  after growthInterval such steps: scale ← 2·scale
//   else:    control[0] ← 0, which means no update;  scale ← scale / 2
// The dynamic loss scaling of Micikevicius et al. 2018 (section 3.2); a sum that overflows counts as not finite.

/// 1 − e^−x for x ≥ 0, precise where it is small.
fn oneMinusExp(x: f32) -> f32 {
  if (x > 0.5) { return 1.0 - exp(-x); }
  var series = 1.0;
  for (var k = 9.0; k > 1.5; k -= 1.0) { series = 1.0 - x / k * series; }
  return x * series;
}

@compute @workgroup_size(1)
fn main() {
  let squares = sumOfSquares[0];
  let scale = state[0];
  // On the bits: a compiler may take it that no value is infinite or NaN.
  if ((bitcast<u32>(squares) & 0x7f800000u) == 0x7f800000u) {
    state[0] = max(0.5 * scale, parameters.minScale);
    state[1] = 0.0;
    state[2] += 1.0;
    state[3] += 1.0;
    control[0] = 0.0;
    return;
  }
  let norm = sqrt(squares);
  var factor = 1.0 / scale;
  if (parameters.maxNorm > 0.0 && norm > parameters.maxNorm * scale) { factor = parameters.maxNorm / norm; }
  let updates = state[4] + 1.0;
  control[0] = factor;
  control[1] = 1.0 / oneMinusExp(updates * parameters.rate1);
  control[2] = inverseSqrt(oneMinusExp(updates * parameters.rate2));
  let good = state[1] + 1.0;
  let grows = good >= parameters.growthInterval;
  state[0] = select(scale, min(2.0 * scale, parameters.maxScale), grows);
  state[1] = select(good, 0.0, grows);
  state[3] = 0.0;
  state[4] = updates;
}
