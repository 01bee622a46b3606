// Gradient of attention with respect to the queries. With P_ij = exp(scale · q_i·k_j − logSumExp_i), dP_ij = gradOut_i·v_j:
//   gradQuery_i = scale · Σ_j P_ij (dP_ij − delta_i) k_j.
// Shapes as in the forward kernel; statistics [tokens, heads] of (log2(e) · logSumExp, delta), bounds [tokens]. The division into blocks is the forward kernel's.
#include attention-common

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = workgroup.x + workgroup.y * grid.x;
  let head = index % parameters.heads;
  let blockStart = index / parameters.heads * u32(BLOCK);
  if (blockStart >= parameters.tokens) { return; }
  let blockLast = min(blockStart + u32(BLOCK), parameters.tokens) - 1u;
  let keyHead = head / parameters.group;

#for r in 0..QUERIES
  let token${r} = min(blockStart + ${r * WORKGROUP_SIZE}u + local, blockLast);
  let start${r} = bounds[token${r}].x;
  let queryRow${r} = token${r} * parameters.heads + head;
  let statistics${r} = statistics[queryRow${r}];
#for d in 0..VECTORS
  let query${r}_${d} = loadQuery(queryRow${r}, ${d}u) * (parameters.scale * LOG2_E);
  let gradient${r}_${d} = loadGradOut(queryRow${r}, ${d}u);
  var sum${r}_${d} = vec4<f32>();
#endfor
#endfor

  let keyStart = bounds[blockStart].x;
#if MASKED_ONLY
  let fullEnd = keyStart;
#else
  let oneSequence = keyStart == bounds[blockLast].x;
  let fullKeys = select(0u, blockStart + 1u - keyStart, oneSequence) / u32(KEYS) * u32(KEYS);
  let fullEnd = keyStart + fullKeys;
#endif

#for masked in MASKED_ONLY..2
#if masked
  for (var first = fullEnd; first <= blockLast; first += u32(KEYS)) {
#else
  for (var first = keyStart; first < fullEnd; first += u32(KEYS)) {
#endif
#for j in 0..KEYS
#if masked
    let row${j} = min(first + ${j}u, blockLast) * parameters.keyValueHeads + keyHead;
#else
    let row${j} = (first + ${j}u) * parameters.keyValueHeads + keyHead;
#endif
#for d in 0..VECTORS
    let key${j}_${d} = loadKey(row${j}, ${d}u);
    let value${j}_${d} = loadValue(row${j}, ${d}u);
#endfor
#for r in 0..QUERIES
    var score${r}_${j} = -statistics${r}.x;
    var slope${r}_${j} = -statistics${r}.y;
#for d in 0..VECTORS
    score${r}_${j} = dotOnto(query${r}_${d}, key${j}_${d}, score${r}_${j});
    slope${r}_${j} = dotOnto(gradient${r}_${d}, value${j}_${d}, slope${r}_${j});
#endfor
#if masked
    let seen${r}_${j} = first + ${j}u >= start${r} && first + ${j}u <= token${r};
    let share${r}_${j} = select(0.0, exp2(min(score${r}_${j}, 1.0)) * slope${r}_${j}, seen${r}_${j});
#else
    let share${r}_${j} = exp2(score${r}_${j}) * slope${r}_${j};
#endif
#for d in 0..VECTORS
    sum${r}_${d} = fma(vec4<f32>(share${r}_${j}), key${j}_${d}, sum${r}_${d});
#endfor
#endfor
#endfor
  }
#endfor

#for r in 0..QUERIES
  if (blockStart + ${r * WORKGROUP_SIZE}u + local <= blockLast) {
#for d in 0..VECTORS
    storeGradQuery(queryRow${r}, ${d}u, sum${r}_${d} * parameters.scale);
#endfor
  }
#endfor
}
