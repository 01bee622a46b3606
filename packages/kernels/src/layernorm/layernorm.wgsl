// LayerNorm: out[r, c] = (x[r, c] − m) / sqrt(v + epsilon) · weight[c] + bias[c], m and v mean and (biased) variance of row r.
// x, out [rows, columns]; weight, bias [columns]. Ba, Kiros & Hinton, "Layer Normalization", 2016.
// VECTOR: an element of the arrays is four columns.
#include vector
#include row-walk
#include layernorm-moments

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.width;
  let moments = momentsOf(start, walk);
  for (var c = walk.first; c < parameters.width; c += walk.stride) {
    out[start + c] = (x[start + c] - moments.x) * moments.y * weight[c] + bias[c];
  }
}
