// Softmax of each row: out[r, c] = exp(x[r, c] − m_r) / Σ_c exp(x[r, c] − m_r), m_r the row's largest element.
// x, out [rows, columns].
#include row-walk
const LOWEST = -3.4028234663852886e38;

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.columns;
  var largest = LOWEST;
  for (var c = walk.first; c < parameters.columns; c += walk.stride) { largest = max(largest, x[start + c]); }
  largest = rowMaximum(walk, largest);

  var normalizer = 0.0;
  for (var c = walk.first; c < parameters.columns; c += walk.stride) { normalizer += exp(x[start + c] - largest); }
  normalizer = rowSum(walk, normalizer);

  for (var c = walk.first; c < parameters.columns; c += walk.stride) {
    out[start + c] = exp(x[start + c] - largest) / normalizer;
  }
}
