// One stage of a sum: partials[firstPartial + g·width + l] (+)= Σ_k f(x[g·width·FAN_IN + l + k·width]), k < FAN_IN, for
// workgroup g and invocation l < width, f the identity or the square.
//
// Neighboring invocations read neighbors and nobody waits for anybody, so the same kernel serves hardware and software.
// Stages repeat until one value is left; the order of all additions follows from the count and the width alone.
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = workgroup.x + workgroup.y * grid.x;
  if (group >= parameters.groups || local >= parameters.width) { return; }
  let start = group * parameters.width * FAN_IN;
  let end = min(start + parameters.width * FAN_IN, parameters.count);
  var sum = 0.0;
  for (var i = start + local; i < end; i += parameters.width) {
    let value = x[i];
#if SQUARE
    sum += value * value;
#else
    sum += value;
#endif
  }
  let partial = parameters.firstPartial + group * parameters.width + local;
#if ACCUMULATE
  partials[partial] += sum;
#else
  partials[partial] = sum;
#endif
}
