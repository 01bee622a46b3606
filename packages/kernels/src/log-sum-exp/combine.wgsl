// Second stage of log Σ exp: out[r] from the pairs (largest, Σ exp(x − largest)) in partials [rows, parts].
// A row in which nothing was summed gives the lowest finite number, which stands for −∞.
#include invocations

const lowest = -3.4e38;

fn run(row: u32) {
  if (row >= parameters.rows) { return; }
  let base = row * parameters.parts;
  var largest = lowest;
  for (var t = 0u; t < parameters.parts; t++) { largest = max(largest, partials[base + t].x); }
  var sum = 0.0;
  for (var t = 0u; t < parameters.parts; t++) {
    let partial = partials[base + t];
    sum += partial.y * exp(partial.x - largest);
  }
  var result = lowest;
  if (sum > 0.0) { result = largest + log(sum); }
  out[row] = result;
}
