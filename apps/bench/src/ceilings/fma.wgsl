// The adapter's arithmetic ceiling: every invocation updates ACCUMULATORS independent sums by fma, UNROLL times per
// iteration, and touches memory once. The sums converge to y / (1 - x), so nothing overflows or becomes denormal.
#if VECTOR
alias Value = vec4<f32>;
#else
alias Value = f32;
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  let x = Value(parameters.x);
  let y = Value(parameters.y);
#for a in 0..ACCUMULATORS
  var sum_${a} = Value(f32(index % 64u + ${a}u));
#endfor
  for (var i = 0u; i < parameters.iterations; i++) {
#for u in 0..UNROLL
#for a in 0..ACCUMULATORS
    sum_${a} = fma(sum_${a}, x, y);
#endfor
#endfor
  }
  var total = Value(0.0);
#for a in 0..ACCUMULATORS
  total += sum_${a};
#endfor
#if VECTOR
  out[index] = total.x + total.y + total.z + total.w;
#else
  out[index] = total;
#endif
}
