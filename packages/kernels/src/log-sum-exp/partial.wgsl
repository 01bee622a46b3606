// First stage of log Σ exp over rows of x [rows, columns]: partials[r, t] = (largest, Σ exp(x − largest)) over the columns
// t, t + parts, t + 2·parts, … of row r, without the columns skipFirst and skipSecond. The sum is kept relative to the
// running maximum (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax").
//
// Neighboring invocations read neighboring columns and none waits for another.
const lowest = -3.4e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
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
