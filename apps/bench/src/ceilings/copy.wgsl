// The adapter's memory ceiling: out[i] = x[i] over vectors of four, ITEMS of them per invocation. With BLOCKED the
// values of an invocation lie side by side (better where lanes are loops), else a workgroup apart (better on GPUs).
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let first = (workgroup.x + workgroup.y * grid.x) * (WORKGROUP_SIZE * ITEMS);
#for i in 0..ITEMS
  {
#if BLOCKED
    let index = first + local * ITEMS + ${i}u;
#else
    let index = first + ${i}u * WORKGROUP_SIZE + local;
#endif
    if (index < parameters.values) { out[index] = x[index]; }
  }
#endfor
}
