// Step 1, naive: out[m, n] = a[m, k] · b[k, n], one invocation an element.
//
// Neighboring invocations compute neighboring columns: they read neighboring words of b and the same word of a. But each of
// the 2·k values that an element needs comes from memory, for one multiplication and one addition a pair.

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let element = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  if (element >= parameters.m * parameters.n) { return; }
  let row = element / parameters.n;
  let column = element % parameters.n;
  var sum = 0.0;
  for (var i = 0u; i < parameters.k; i++) {
    sum = fma(a[row * parameters.k + i], b[i * parameters.n + column], sum);
  }
  out[element] = sum;
}
