// The function of attention.wgsl without a cache, with its arguments, by matrix units (attention-matrix-common).
//
// Keys are walked twice. The first time every query's logSumExp is found, by an online softmax in each invocation over the
// keys of its columns. The second time probabilities exp(scale · q_i·k_j − logSumExp_i) are weights of the values: at most one,
// and no sum ever needs to be rescaled.
#include attention-matrix-common

fn own0(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part); }
fn other0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part); }
fn other1(row: u32, part: u32) -> vec4<f32> { return loadValue(row, part); }
fn storeSum(product: u32, row: u32, part: u32, sum: vec4<f32>) { storeOut(row, part, sum); }

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
  // Late queries see the most keys: their blocks start first, so that a dispatch ends with short ones.
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
  let keyStart = offsets[sequenceOfToken[blockStart]];

  stageOwn(blockStart, blockLast, ownStride, ownHead, local);
#for r in 0..ROWS
  let row${r} = group + ${r} * GROUPS;
  let token${r} = min(blockStart + row${r}, blockLast);
  let start${r} = offsets[sequenceOfToken[token${r}]];
  var largest${r} = LOWEST;
  var normalizer${r} = 0.0; // of the invocation's columns
  var logSum${r} = 0.0;
#endfor
#for c in 0..COLUMNS
  var sum_${c}: subgroup_matrix_result<f32, UNIT_N, UNIT_M>;
#endfor

  // One text for both walks: it takes long to compile.
  for (var walk = 0u; walk < 2u; walk++) {
  for (var first = keyStart; first <= blockLast; first += u32(STEP)) {
    scoreTile(first, blockLast, otherStride, otherHead, walk > 0u, local, subgroup);
    let keys = first + 4u * column + vec4<u32>(0u, 1u, 2u, 3u);
    if (walk == 0u) {
#for r in 0..ROWS
      let seen${r} = between(keys, start${r}, token${r});
      let score${r} = select(vec4<f32>(LOWEST), scores[row${r} * SCORE_LINE + column] * factor, seen${r});
      let next${r} = max(max(largest${r}, max(score${r}.x, score${r}.y)), max(score${r}.z, score${r}.w));
      // Where nothing was seen yet, largest is LOWEST too and the exponential alone would give one.
      let weight${r} = select(vec4<f32>(), exp2(score${r} - next${r}), seen${r});
      normalizer${r} = fma(normalizer${r}, exp2(largest${r} - next${r}), dot(weight${r}, vec4<f32>(1.0)));
      largest${r} = next${r};
#endfor
    } else {
#for r in 0..ROWS
      let weight${r} = exp2(scores[row${r} * SCORE_LINE + column] * factor - logSum${r} * LOG2_E);
      weights[row${r} * WEIGHT_LINE + column] =
        vec4<f16>(select(vec4<f32>(), weight${r}, between(keys, start${r}, token${r})));
#endfor
#include attention-matrix-sums
    }
  }
  if (walk == 0u) {
    // Columns of a row meet where their scores lay.
#for r in 0..ROWS
    scores[row${r} * SCORE_LINE + column] = vec4<f32>(largest${r}, normalizer${r}, 0.0, 0.0);
#endfor
    workgroupBarrier();
#for r in 0..ROWS
    var reach${r} = LOWEST;
    var total${r} = 0.0;
    for (var c = 0u; c < QUADS; c++) { reach${r} = max(reach${r}, scores[row${r} * SCORE_LINE + c].x); }
    for (var c = 0u; c < QUADS; c++) {
      let part = scores[row${r} * SCORE_LINE + c];
      total${r} = fma(part.y, exp2(part.x - reach${r}), total${r});
    }
    logSum${r} = reach${r} * LN_2 + naturalLogarithm(total${r});
    if (column == 0u && blockStart + row${r} <= blockLast) { logSumExp[token${r} * ownStride + ownHead] = logSum${r}; }
#endfor
  }
  }
#include attention-matrix-store
}
