// The function of attention-backward-key.wgsl, with its arguments, by matrix units (attention-matrix-common). A workgroup
// walks `members` of the query heads that read its key/value head, as in attention-block-key.
#include attention-matrix-common

fn own0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part); }
fn own1(row: u32, part: u32) -> vec4<f32> { return loadValue(row, part); }
fn other0(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part); }
fn other1(row: u32, part: u32) -> vec4<f32> { return loadGradOut(row, part); }
/// Of queries, weighted by gradients of scores, or of gradients of the output, weighted by probabilities.
fn storeSum(product: u32, row: u32, part: u32, sum: vec4<f32>) {
  if (product == 0u) { storeGradKey(row, part, sum * parameters.scale); } else { storeGradValue(row, part, sum); }
}

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
  let parts = (parameters.group + parameters.members - 1u) / parameters.members;
  if (index >= blocks * parameters.keyValueHeads * parts) { return; }
  // Early keys are seen by the most queries: in this order the longest blocks start first.
  let blockStart = index / (parameters.keyValueHeads * parts) * BLOCK;
  let blockLast = min(blockStart + BLOCK, parameters.tokens) - 1u;
  let ownHead = index % parameters.keyValueHeads;
  let ownStride = parameters.keyValueHeads;
  let otherStride = parameters.heads;
  let otherLast = bounds[blockLast].y - 1u;
  let groupPart = index / parameters.keyValueHeads % parts;
  let memberFirst = groupPart * parameters.members;
  let memberEnd = min(memberFirst + parameters.members, parameters.group);
  let outFirst = groupPart * parameters.tokens;
  let group = local / QUADS;
  let column = local % QUADS;
  let share = shareOf(subgroup, SUM_PARTS);
  let factor = parameters.scale * LOG2_E;

  stageOwn(blockStart, blockLast, ownStride, ownHead, local);
#for r in 0..ROWS
  let row${r} = group + ${r} * GROUPS;
  let token${r} = min(blockStart + row${r}, blockLast);
  let last${r} = bounds[token${r}].y - 1u;
#endfor
#for c in 0..COLUMNS
  var sum_${c}: subgroup_matrix_result<f32, UNIT_N, UNIT_M>;
#endfor

  for (var member = memberFirst; member < memberEnd; member++) {
  let otherHead = ownHead * parameters.group + member;
  for (var first = blockStart; first <= otherLast; first += u32(STEP)) {
    scoreTile(first, otherLast, otherStride, otherHead, true, local, subgroup);
    let queries = first + 4u * column + vec4<u32>(0u, 1u, 2u, 3u);
#for j in 0..4
    let statistics${j} = statistics[min(queries[${j}], otherLast) * otherStride + otherHead];
#endfor
    let logSums = vec4<f32>(statistics0.x, statistics1.x, statistics2.x, statistics3.x);
    let deltas = vec4<f32>(statistics0.y, statistics1.y, statistics2.y, statistics3.y);
#for r in 0..ROWS
    let seen${r} = between(queries, token${r}, last${r});
    let weight${r} =
      select(vec4<f32>(), exp2(scores[row${r} * SCORE_LINE + column] * factor - logSums), seen${r});
    let slope${r} = scores[(BLOCK + row${r}) * SCORE_LINE + column] - deltas;
    weights[row${r} * WEIGHT_LINE + column] = vec4<f16>(select(vec4<f32>(), weight${r} * slope${r}, seen${r}));
    weights[(BLOCK + row${r}) * WEIGHT_LINE + column] = vec4<f16>(weight${r});
#endfor
#include attention-matrix-sums
  }
  }
#include attention-matrix-store
}
