// The second stage of a product whose inner axis was divided: stores the sum over s of partial[s, rows, columns] as the first
// stage would have. The parts are added in order, so the result does not depend on scheduling.
#include vector
#include store-result

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  let count = parameters.rows * parameters.columns / WIDTH;
  if (index >= count) { return; }
  var sum = partial[index];
  for (var s = 1u; s < parameters.splits; s++) { sum += partial[s * count + index]; }
  let element = index * WIDTH;
  store(element / parameters.columns, element % parameters.columns, 0u, sum);
}
