// Gradient of softmax from its output: gradX[r, c] = out[r, c] · (gradOut[r, c] − Σ_c out[r, c] gradOut[r, c]).
// out, gradOut, gradX [rows, columns].
#include row-walk

fn walkRow(row: u32, walk: Walk) {
  let start = row * parameters.columns;
  var projection = 0.0;
  for (var c = walk.first; c < parameters.columns; c += walk.stride) {
    projection = fma(out[start + c], gradOut[start + c], projection);
  }
  projection = rowSum(walk, projection);

  for (var c = walk.first; c < parameters.columns; c += walk.stride) {
    gradX[start + c] = out[start + c] * (gradOut[start + c] - projection);
  }
}
