// out[rows, columns] = alpha · sum over s of partial[s, rows, columns] (+ bias) (+ out): the second stage of a product
// whose inner axis was divided. The parts are added in order, so the result does not depend on scheduling.
// `columns`, `outStride` and `outOffset` are in values (elements, or vectors of four when VECTOR).
#include vector

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  let count = parameters.rows * parameters.columns;
  if (index >= count) { return; }
  var sum = partial[index];
  for (var s = 1u; s < parameters.splits; s++) { sum += partial[s * count + index]; }
  let column = index % parameters.columns;
  let at = parameters.outOffset + (index / parameters.columns) * parameters.outStride + column;
  var value = parameters.alpha * sum;
#if BIAS
  value += bias[column];
#endif
#if ACCUMULATE
  value += out[at];
#endif
  out[at] = value;
}
