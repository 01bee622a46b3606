// The function of attention-backward-key.wgsl, with its arguments, by blocks that a workgroup shares
// (attention-block-common). A workgroup walks `members` of the query heads that read its key/value head. Where these are not
// all, gradKey and gradValue are [parts, tokens, keyValueHeads, HEAD_DIM], to be added in order by attention-sum-parts.
#include attention-block-common

fn own0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part) * (parameters.scale * LOG2_E); }
fn own1(row: u32, part: u32) -> vec4<f32> { return loadValue(row, part); }
fn other0(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part); }
fn other1(row: u32, part: u32) -> vec4<f32> { return loadGradOut(row, part); }
fn summed0(row: u32, part: u32) -> vec4<f32> { return loadGradOut(row, part); }
fn summed1(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
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
  let group = local / COLUMNS;
  let column = local % COLUMNS;

#for r in 0..ROWS
  let token${r} = min(blockStart + group + ${r} * GROUPS, blockLast);
#for c in 0..PARTS
  var sum0_${r}_${c} = vec4<f32>(); // of gradValue
  var sum1_${r}_${c} = vec4<f32>(); // of gradKey
#endfor
#endfor

  for (var member = memberFirst; member < memberEnd; member++) {
  let otherHead = ownHead * parameters.group + member;
  for (var first = blockStart; first <= otherLast; first += u32(BLOCK)) {
#for j in 0..4
    let query${j} = first + 4u * column + ${j}u;
    let statistics${j} = statistics[min(query${j}, otherLast) * otherStride + otherHead];
#for r in 0..ROWS
    var score0_${r}_${j} = -statistics${j}.x;
    var score1_${r}_${j} = -statistics${j}.y;
#endfor
#endfor
#include attention-block-scores
#for r in 0..ROWS
    let end${r} = bounds[token${r}].y; // read again for each tile: registers are scarcer
#for j in 0..4
    let seen${r}_${j} = query${j} >= token${r} && query${j} < end${r};
    let weight${r}_${j} = select(0.0, exp2(min(score0_${r}_${j}, 1.0)), seen${r}_${j});
    let share${r}_${j} = weight${r}_${j} * score1_${r}_${j};
#endfor
    weights[(group + ${r} * GROUPS) * WEIGHT_STRIDE + column] =
      vec4<f32>(weight${r}_0, weight${r}_1, weight${r}_2, weight${r}_3);
    weights[(BLOCK + group + ${r} * GROUPS) * WEIGHT_STRIDE + column] =
      vec4<f32>(share${r}_0, share${r}_1, share${r}_2, share${r}_3);
#endfor
#include attention-block-sums
  }
  }

#for r in 0..ROWS
  if (blockStart + group + ${r} * GROUPS <= blockLast) {
    let row${r} = (groupPart * parameters.tokens + token${r}) * ownStride + ownHead;
#for c in 0..PARTS
    if (${c} * COLUMNS + column < u32(VECTORS)) {
      storeGradValue(row${r}, ${c} * COLUMNS + column, sum0_${r}_${c});
      storeGradKey(row${r}, ${c} * COLUMNS + column, sum1_${r}_${c} * parameters.scale);
    }
#endfor
  }
#endfor
}
