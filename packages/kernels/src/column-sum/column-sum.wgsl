// partial[split, column] = sum of x[row, column] over the rows of the split (+ out, when ACCUMULATE): bias gradients.
//
// One invocation adds one column (four of them when VECTOR) of one split, in order of rows, so the result is the same
// on every run. A second dispatch of this kernel with one split adds the partial sums.
// `columns` is in values: elements, or vectors of four when VECTOR.
#include vector

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = workgroup.x + workgroup.y * grid.x;
  let split = index / parameters.columnTiles;
  let column = (index % parameters.columnTiles) * WORKGROUP_SIZE + local;
  if (split >= parameters.splits || column >= parameters.columns) { return; }
  let first = split * parameters.rowsPerSplit;
  let end = min(first + parameters.rowsPerSplit, parameters.rows);
  var at = first * parameters.columns + column;
  var sum = x[at];
  for (var row = first + 1u; row < end; row++) {
    at += parameters.columns;
    sum += x[at];
  }
  let outIndex = split * parameters.columns + column;
#if ACCUMULATE
  sum += out[outIndex];
#endif
  out[outIndex] = sum;
}
