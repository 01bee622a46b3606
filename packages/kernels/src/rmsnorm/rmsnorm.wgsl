// RMSNorm: out[r, c] = x[r, c] · weight[c] / sqrt(mean_c(x[r, c]²) + epsilon).
// x, out [rows, columns]; weight [columns]. Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019.
//
// VECTOR: an element of the arrays is four columns. ROW_PER_INVOCATION: one invocation walks a whole row (software
// adapters, where barriers cost more than they save); otherwise a workgroup shares a row.
#include vector
#if !ROW_PER_INVOCATION
#include workgroup-reduce
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
#if ROW_PER_INVOCATION
  let row = index * u32(WORKGROUP_SIZE) + local;
  if (row >= parameters.rows) { return; }
  let first = 0u;
  let stride = 1u;
#else
  let row = index;
  if (row >= parameters.rows) { return; }
  let first = local;
  let stride = u32(WORKGROUP_SIZE);
#endif
  let start = row * parameters.width;

  var squares = Value();
  for (var c = first; c < parameters.width; c += stride) {
    let value = x[start + c];
    squares = fma(value, value, squares);
  }
#if ROW_PER_INVOCATION
  let squareSum = total(squares);
#else
  let squareSum = workgroupSum(local, total(squares));
#endif
  let inverse = 1.0 / sqrt(squareSum / parameters.columns + parameters.epsilon);

  for (var c = first; c < parameters.width; c += stride) {
    out[start + c] = x[start + c] * inverse * weight[c];
  }
}
