// First stage of log Σ exp over rows of x [rows, columns]: partials[r, t] = (largest, Σ exp(x − largest)) over the columns
// t, t + parts, t + 2·parts, … of row r, without the columns skipFirst and skipSecond. The sum is kept relative to the
// running maximum (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax").
//
// Neighboring invocations read neighboring columns and none waits for another.
#include invocations

const lowest = -3.4e38;

fn run(index: u32) {
  let row = index / parameters.parts;
  if (row >= parameters.rows) { return; }
  let base = row * parameters.columns;
  var largest = lowest;
  var sum = 0.0;
  for (var c = index % parameters.parts; c < parameters.columns; c += parameters.parts) {
    if (c == parameters.skipFirst || c == parameters.skipSecond) { continue; }
    let value = x[base + c];
    if (value > largest) {
      sum *= exp(largest - value);
      largest = value;
    }
    sum += exp(value - largest);
  }
  partials[index] = vec2<f32>(largest, sum);
}
