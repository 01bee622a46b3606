// LayerNorm: out[r, c] = (x[r, c] − m) / sqrt(v + epsilon) · weight[c] + bias[c], m and v mean and (biased) variance of row r.
// x, out [rows, columns]; weight, bias [columns]. Ba, Kiros & Hinton, "Layer Normalization", 2016.
// The variance takes a second pass over the row: mean(x²) − mean(x)² cancels where the mean is far from zero.
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

#include layernorm-moments

  for (var c = first; c < parameters.width; c += stride) {
    out[start + c] = (x[start + c] - mean) * inverse * weight[c] + bias[c];
  }
}
