// Gradients of attention with respect to keys and values, P and dP as in the kernel for the queries:
//   gradValue_j = Σ_i P_ij gradOut_i,   gradKey_j = scale · Σ_i P_ij (dP_ij − delta_i) q_i,
// over the tokens i ≥ j of j's sequence and all query heads of j's group, in this fixed order: no atomics.
// A workgroup takes a block of WORKGROUP_SIZE · KEYS neighboring tokens of one key/value head, an invocation KEYS of them.
// All invocations walk the same queries, QUERIES at a time. Queries that see every key of the block need no mask.
#include attention-common

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
  let keyHead = index % parameters.keyValueHeads;
  let blockStart = index / parameters.keyValueHeads * u32(BLOCK);
  if (blockStart >= parameters.tokens) { return; }
  let blockLast = min(blockStart + u32(BLOCK), parameters.tokens) - 1u;

#for r in 0..KEYS
  let token${r} = min(blockStart + ${r * WORKGROUP_SIZE}u + local, blockLast);
  let end${r} = bounds[token${r}].y;
  let keyRow${r} = token${r} * parameters.keyValueHeads + keyHead;
#for d in 0..VECTORS
  let key${r}_${d} = loadKey(keyRow${r}, ${d}u) * (parameters.scale * LOG2_E);
  let value${r}_${d} = loadValue(keyRow${r}, ${d}u);
  var keySum${r}_${d} = vec4<f32>();
  var valueSum${r}_${d} = vec4<f32>();
#endfor
#endfor

  let queryEnd = bounds[blockLast].y;
#if MASKED_ONLY
  let fullStart = queryEnd;
#else
  // The masked steps come first: they cover the block itself, rounded up to whole steps. A block across sequences has
  // only masked steps.
  let oneSequence = bounds[blockStart].y == queryEnd;
  let fullQueries = select(0u, queryEnd - 1u - blockLast, oneSequence) / u32(QUERIES) * u32(QUERIES);
  let fullStart = queryEnd - fullQueries;
#endif

  for (var member = 0u; member < parameters.group; member++) {
    let head = keyHead * parameters.group + member;
#for masked in MASKED_ONLY..2
#if masked
    for (var first = blockStart; first < fullStart; first += u32(QUERIES)) {
#else
    for (var first = fullStart; first < queryEnd; first += u32(QUERIES)) {
#endif
#for i in 0..QUERIES
#if masked
      let row${i} = min(first + ${i}u, queryEnd - 1u) * parameters.heads + head;
#else
      let row${i} = (first + ${i}u) * parameters.heads + head;
#endif
      let statistics${i} = statistics[row${i}];
#for d in 0..VECTORS
      let query${i}_${d} = loadQuery(row${i}, ${d}u);
      let gradient${i}_${d} = loadGradOut(row${i}, ${d}u);
#endfor
#for r in 0..KEYS
      var score${r}_${i} = -statistics${i}.x;
      var slope${r}_${i} = -statistics${i}.y;
#for d in 0..VECTORS
      score${r}_${i} = dotOnto(key${r}_${d}, query${i}_${d}, score${r}_${i});
      slope${r}_${i} = dotOnto(value${r}_${d}, gradient${i}_${d}, slope${r}_${i});
#endfor
#if masked
      let seen${r}_${i} = first + ${i}u >= token${r} && first + ${i}u < min(end${r}, fullStart);
      let weight${r}_${i} = select(0.0, exp2(min(score${r}_${i}, 1.0)), seen${r}_${i});
#else
      let weight${r}_${i} = exp2(score${r}_${i});
#endif
      let share${r}_${i} = weight${r}_${i} * slope${r}_${i};
#for d in 0..VECTORS
      valueSum${r}_${d} = fma(vec4<f32>(weight${r}_${i}), gradient${i}_${d}, valueSum${r}_${d});
      keySum${r}_${d} = fma(vec4<f32>(share${r}_${i}), query${i}_${d}, keySum${r}_${d});
#endfor
#endfor
#endfor
    }
#endfor
  }

#for r in 0..KEYS
  if (blockStart + ${r * WORKGROUP_SIZE}u + local <= blockLast) {
#for d in 0..VECTORS
    storeGradKey(keyRow${r}, ${d}u, keySum${r}_${d} * parameters.scale);
    storeGradValue(keyRow${r}, ${d}u, valueSum${r}_${d});
#endfor
  }
#endfor
}
