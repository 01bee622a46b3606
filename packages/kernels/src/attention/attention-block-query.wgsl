// The function of attention-backward-query.wgsl, with its arguments, by blocks that a workgroup shares
// (attention-block-common). The sum of products gradOut_i · out_i could be made here too, but its arguments would make ten
// storage buffers of a kernel, and devices may allow no more than eight.
#include attention-block-common

fn own0(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part) * (parameters.scale * LOG2_E); }
fn own1(row: u32, part: u32) -> vec4<f32> { return loadGradOut(row, part); }
fn other0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part); }
fn other1(row: u32, part: u32) -> vec4<f32> { return loadValue(row, part); }
fn summed0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
  let blocks = (parameters.tokens + BLOCK - 1u) / BLOCK;
  if (index >= blocks * parameters.heads) { return; }
  // The longest blocks start first, as in attention-block.
  let blockStart = (blocks - 1u - index / parameters.heads) * BLOCK;
  let blockLast = min(blockStart + BLOCK, parameters.tokens) - 1u;
  let ownHead = index % parameters.heads;
  let ownStride = parameters.heads;
  let otherHead = ownHead / parameters.group;
  let otherStride = parameters.keyValueHeads;
  let otherLast = blockLast;
  let group = local / COLUMNS;
  let column = local % COLUMNS;

#for r in 0..ROWS
  let token${r} = min(blockStart + group + ${r} * GROUPS, blockLast);
  let start${r} = bounds[token${r}].x;
  let statistics${r} = statistics[token${r} * ownStride + ownHead];
#for c in 0..PARTS
  var sum0_${r}_${c} = vec4<f32>();
#endfor
#endfor

  for (var first = bounds[blockStart].x; first <= otherLast; first += u32(BLOCK)) {
#for r in 0..ROWS
#for j in 0..4
    var score0_${r}_${j} = -statistics${r}.x;
    var score1_${r}_${j} = -statistics${r}.y;
#endfor
#endfor
#include attention-block-scores
#for r in 0..ROWS
#for j in 0..4
    let key${r}_${j} = first + 4u * column + ${j}u;
    let seen${r}_${j} = key${r}_${j} >= start${r} && key${r}_${j} <= token${r};
    let share${r}_${j} = select(0.0, exp2(min(score0_${r}_${j}, 1.0)) * score1_${r}_${j}, seen${r}_${j});
#endfor
    weights[(group + ${r} * GROUPS) * WEIGHT_STRIDE + column] =
      vec4<f32>(share${r}_0, share${r}_1, share${r}_2, share${r}_3);
#endfor
#include attention-block-sums
  }

#for r in 0..ROWS
  if (blockStart + group + ${r} * GROUPS <= blockLast) {
#for c in 0..PARTS
    if (${c} * COLUMNS + column < u32(VECTORS)) {
      storeGradQuery(token${r} * ownStride + ownHead, ${c} * COLUMNS + column, sum0_${r}_${c} * parameters.scale);
    }
#endfor
  }
#endfor
}
