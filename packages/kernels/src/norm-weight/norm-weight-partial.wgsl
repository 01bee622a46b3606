// First stage of the gradient of a norm's weight: partial[chunk, c] = Σ over the chunk's rows of gradOut[r, c] · z[r, c], z the
// normalized input: x · inverse, or with CENTERED (x − mean) · inverse.
// x, gradOut [rows, columns]; statistics [rows]: inverse, or (mean, inverse); partial [chunks, columns], chunkRows rows each.
// One invocation per (chunk, value); neighbors take neighboring columns. No atomics: the order of the sum is fixed.
#include vector
#include invocations

#if CENTERED
alias Statistic = vec2<f32>;
#else
alias Statistic = f32;
#endif

fn run(index: u32) {
  let chunk = index / parameters.width;
  if (chunk >= parameters.chunks) { return; }
  let c = index % parameters.width;
  let first = chunk * parameters.chunkRows;
  let end = min(first + parameters.chunkRows, parameters.rows);
  var sum = Value();
  for (var row = first; row < end; row++) {
    let at = row * parameters.width + c;
#if CENTERED
    let moment = statistics[row];
    sum = fma(gradOut[at] * moment.y, x[at] - moment.x, sum);
#else
    sum = fma(gradOut[at] * statistics[row], x[at], sum);
#endif
  }
  partial[index] = sum;
}
