// The function of attention.wgsl, with its arguments, by blocks that a workgroup shares (attention-block-common).
//
// CACHED, as there: keys of the cache are numbered before a sequence's own ones. A window then hides the first numbers.
#include attention-block-common

/// Largest scores of each own row among the keys of each column, and in the end parts of the row's normalizer.
var<workgroup> ofColumns: array<f32, BLOCK * (COLUMNS + 1)>;

fn own0(row: u32, part: u32) -> vec4<f32> { return loadQuery(row, part) * (parameters.scale * LOG2_E); }
#if CACHED
/// Where own rows of the block's first sequence begin, minus the rows of the cache.
var<private> ownShift: u32;
fn cached(row: u32) -> bool { return row < parameters.cacheLength * parameters.keyValueHeads; }
fn other0(row: u32, part: u32) -> vec4<f32> {
  if (cached(row)) { return loadCachedKey(row, part); }
  return loadKey(row + ownShift, part);
}
fn summed0(row: u32, part: u32) -> vec4<f32> {
  if (cached(row)) { return loadCachedValue(row, part); }
  return loadValue(row + ownShift, part);
}
#else
fn other0(row: u32, part: u32) -> vec4<f32> { return loadKey(row, part); }
fn summed0(row: u32, part: u32) -> vec4<f32> { return loadValue(row, part); }
#endif

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
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
  let group = local / COLUMNS;
  let column = local % COLUMNS;

  let keyStart = offsets[sequenceOfToken[blockStart]];
#if CACHED
  ownShift = (keyStart - parameters.cacheLength) * otherStride;
  let otherFirst = 0u;
  let otherLast = parameters.cacheLength + blockLast - keyStart;
#else
  let otherFirst = keyStart;
  let otherLast = blockLast;
#endif
#for r in 0..ROWS
  let token${r} = min(blockStart + group + ${r} * GROUPS, blockLast);
#if CACHED
  // Own keys from start to end are seen, and those of the cache from `hidden`.
  let sequenceStart${r} = offsets[sequenceOfToken[token${r}]];
  let before${r} = parameters.cacheLength + token${r} - sequenceStart${r} + 1u;
  let hidden${r} = before${r} - min(before${r}, parameters.window);
  let shift${r} = sequenceStart${r} - keyStart;
  let start${r} = shift${r} + max(hidden${r}, parameters.cacheLength);
  let end${r} = parameters.cacheLength + token${r} - keyStart;
#else
  let start${r} = offsets[sequenceOfToken[token${r}]];
  let end${r} = token${r};
#endif
#for c in 0..PARTS
  var sum0_${r}_${c} = vec4<f32>();
#endfor
  var largest${r} = LOWEST;
  var normalizer${r} = 0.0; // of the invocation's columns
#endfor

  for (var first = otherFirst; first <= otherLast; first += u32(BLOCK)) {
#for r in 0..ROWS
#for j in 0..4
    var score0_${r}_${j} = 0.0;
#endfor
#endfor
#include attention-block-scores
#for r in 0..ROWS
#for j in 0..4
    let key${r}_${j} = first + 4u * column + ${j}u;
#if CACHED
    let seen${r}_${j} = (key${r}_${j} >= start${r} && key${r}_${j} <= end${r})
      || (key${r}_${j} >= hidden${r} && key${r}_${j} < parameters.cacheLength);
#else
    let seen${r}_${j} = key${r}_${j} >= start${r} && key${r}_${j} <= end${r};
#endif
    score0_${r}_${j} = select(LOWEST, score0_${r}_${j}, seen${r}_${j});
#endfor
    ofColumns[(group + ${r} * GROUPS) * (COLUMNS + 1) + column] =
      max(max(score0_${r}_0, score0_${r}_1), max(score0_${r}_2, score0_${r}_3));
#endfor
    workgroupBarrier();
#for r in 0..ROWS
    var next${r} = largest${r};
    for (var c = 0u; c < u32(COLUMNS); c++) {
      next${r} = max(next${r}, ofColumns[(group + ${r} * GROUPS) * (COLUMNS + 1) + c]);
    }
    let shrink${r} = exp2(largest${r} - next${r});
    largest${r} = next${r};
    normalizer${r} *= shrink${r};
#for j in 0..4
    // Where nothing was seen yet, largest is LOWEST too and the exponential alone would give one.
    let weight${r}_${j} = select(0.0, exp2(score0_${r}_${j} - next${r}), score0_${r}_${j} > LOWEST);
    normalizer${r} += weight${r}_${j};
#endfor
    weights[(group + ${r} * GROUPS) * WEIGHT_STRIDE + column] =
      vec4<f32>(weight${r}_0, weight${r}_1, weight${r}_2, weight${r}_3);
#for c in 0..PARTS
    sum0_${r}_${c} *= shrink${r};
#endfor
#endfor
#include attention-block-sums
  }

#for r in 0..ROWS
  ofColumns[(group + ${r} * GROUPS) * (COLUMNS + 1) + column] = normalizer${r};
#endfor
  workgroupBarrier();
#for r in 0..ROWS
  if (blockStart + group + ${r} * GROUPS <= blockLast) {
    var total${r} = 0.0;
    for (var c = 0u; c < u32(COLUMNS); c++) { total${r} += ofColumns[(group + ${r} * GROUPS) * (COLUMNS + 1) + c]; }
    let row${r} = token${r} * ownStride + ownHead;
    let share${r} = 1.0 / total${r};
#for c in 0..PARTS
    if (${c} * COLUMNS + column < u32(VECTORS)) {
      storeOut(row${r}, ${c} * COLUMNS + column, sum0_${r}_${c} * share${r});
    }
#endfor
#if !CACHED
    if (column == 0u) { logSumExp[row${r}] = largest${r} * LN_2 + naturalLogarithm(total${r}); }
#endif
  }
#endfor
}
