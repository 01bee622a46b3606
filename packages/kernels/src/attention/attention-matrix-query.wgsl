// The function of attention-backward-query.wgsl, with its arguments, by matrix units (attention-matrix-common).
#include attention-matrix-common

fn own0(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part); }
fn own1(row: u32, part: u32) -> vec4<f32> { return loadGradOut(row, part); }
fn other0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part); }
fn other1(row: u32, part: u32) -> vec4<f32> { return loadValue(row, part); }
fn storeSum(product: u32, row: u32, part: u32, sum: vec4<f32>) { storeGradQuery(row, part, sum * parameters.scale); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
  let blocks = (parameters.tokens + BLOCK - 1u) / BLOCK;
  if (index >= blocks * parameters.heads) { return; }
  // The longest blocks start first, as in attention-matrix.
  let blockStart = (blocks - 1u - index / parameters.heads) * BLOCK;
  let blockLast = min(blockStart + BLOCK, parameters.tokens) - 1u;
  let ownHead = index % parameters.heads;
  let ownStride = parameters.heads;
  let otherHead = ownHead / parameters.group;
  let otherStride = parameters.keyValueHeads;
  let outFirst = 0u;
  let group = local / QUADS;
  let column = local % QUADS;
  let share = shareOf(subgroup, SUM_PARTS);
  let factor = parameters.scale * LOG2_E;

  stageOwn(blockStart, blockLast, ownStride, ownHead, local);
#for r in 0..ROWS
  let row${r} = group + ${r} * GROUPS;
  let token${r} = min(blockStart + row${r}, blockLast);
  let start${r} = bounds[token${r}].x;
  let statistics${r} = statistics[token${r} * ownStride + ownHead];
#endfor
#for c in 0..COLUMNS
  var sum_${c}: subgroup_matrix_result<f32, UNIT_N, UNIT_M>;
#endfor

  for (var first = bounds[blockStart].x; first <= blockLast; first += u32(STEP)) {
    scoreTile(first, blockLast, otherStride, otherHead, true, local, subgroup);
    let keys = first + 4u * column + vec4<u32>(0u, 1u, 2u, 3u);
#for r in 0..ROWS
    let weight${r} = exp2(scores[row${r} * SCORE_LINE + column] * factor - statistics${r}.x);
    let slope${r} = scores[(BLOCK + row${r}) * SCORE_LINE + column] - statistics${r}.y;
    weights[row${r} * WEIGHT_LINE + column] =
      vec4<f16>(select(vec4<f32>(), weight${r} * slope${r}, between(keys, start${r}, token${r})));
#endfor
#include attention-matrix-sums
  }
#include attention-matrix-store
}
