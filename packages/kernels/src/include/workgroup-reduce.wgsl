// Sum and maximum of one value per invocation over a workgroup, in a fixed order, given to all of its invocations.
// Needs WORKGROUP_SIZE, a power of two, and uniform control flow.
var<workgroup> reduceScratch: array<f32, WORKGROUP_SIZE>;

fn workgroupSum(local: u32, value: f32) -> f32 {
  reduceScratch[local] = value;
  workgroupBarrier();
  for (var stride = u32(WORKGROUP_SIZE) / 2u; stride > 0u; stride >>= 1u) {
    if (local < stride) { reduceScratch[local] += reduceScratch[local + stride]; }
    workgroupBarrier();
  }
  let total = reduceScratch[0];
  workgroupBarrier();
  return total;
}

fn workgroupMaximum(local: u32, value: f32) -> f32 {
  reduceScratch[local] = value;
  workgroupBarrier();
  for (var stride = u32(WORKGROUP_SIZE) / 2u; stride > 0u; stride >>= 1u) {
    if (local < stride) { reduceScratch[local] = max(reduceScratch[local], reduceScratch[local + stride]); }
    workgroupBarrier();
  }
  let largest = reduceScratch[0];
  workgroupBarrier();
  return largest;
}
