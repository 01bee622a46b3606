// One stage of a sum: partials[firstPartial + t] (+)= Σ_k f(x[t + k·threads]), f the identity or the square, t < threads.
//
// Neighboring invocations read neighbors and nobody waits for anybody, so the same kernel serves hardware and software.
// Stages repeat until one value is left; the order of all additions follows from the count alone.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let t = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  if (t >= parameters.threads) { return; }
  var sum = 0.0;
  for (var i = t; i < parameters.count; i += parameters.threads) {
    let value = x[i];
#if SQUARE
    sum += value * value;
#else
    sum += value;
#endif
  }
#if ACCUMULATE
  partials[parameters.firstPartial + t] += sum;
#else
  partials[parameters.firstPartial + t] = sum;
#endif
}
