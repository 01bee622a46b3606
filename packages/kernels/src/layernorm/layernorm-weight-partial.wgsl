// First stage of LayerNorm's weight gradient: partial[chunk, c] = Σ over the chunk's rows of gradOut[r, c] · (x[r, c] − mean) · inverse.
// x, gradOut [rows, columns]; moments [rows] holds mean and inverse; partial [chunks, columns], chunk rows each. One invocation per
// (chunk, element); neighbors take neighboring columns. No atomics: the order of the sum is fixed.
#include vector

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (workgroup.x + workgroup.y * grid.x) * u32(WORKGROUP_SIZE) + local;
  let chunk = index / parameters.width;
  if (chunk >= parameters.chunks) { return; }
  let c = index % parameters.width;
  let first = chunk * parameters.chunkRows;
  let end = min(first + parameters.chunkRows, parameters.rows);
  var sum = Value();
  for (var row = first; row < end; row++) {
    let at = row * parameters.width + c;
    let moment = moments[row];
    sum = fma(gradOut[at] * moment.y, x[at] - moment.x, sum);
  }
  partial[index] = sum;
}
