// Mean and 1 / sqrt(variance + epsilon) of a row of x, which starts at `start`. The variance takes a second pass over the row:
// mean(x²) − mean(x)² cancels where the mean is far from zero.
fn momentsOf(start: u32, walk: Walk) -> vec2<f32> {
  var sum = Value();
  for (var c = walk.first; c < parameters.width; c += walk.stride) { sum += x[start + c]; }
  let mean = rowSum(walk, total(sum)) / parameters.columns;
  var squares = Value();
  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    let difference = x[start + c] - mean;
    squares = fma(difference, difference, squares);
  }
  return vec2<f32>(mean, 1.0 / sqrt(rowSum(walk, total(squares)) / parameters.columns + parameters.epsilon));
}
