// Causal attention over packed sequences with grouped heads: out_i = Σ_j softmax_j(scale · q_i·k_j) v_j, where j runs over
// the tokens of i's own sequence up to i. Online softmax (Dao et al., "FlashAttention", 2022; Milakov & Gimelshein, 2018):
// nothing of size tokens² is stored. logSumExp_i = log Σ_j exp(scale · q_i·k_j) is kept for the backward pass.
// query, out [tokens, heads, HEAD_DIM]; key, value [tokens, keyValueHeads, HEAD_DIM]; logSumExp [tokens, heads].
// offsets [sequences + 1] are the starts of the sequences; sequenceOfToken [tokens].
//
// A workgroup takes a block of WORKGROUP_SIZE · QUERIES neighboring tokens of one head, an invocation QUERIES of them, in
// registers. All invocations walk the same keys, KEYS at a time, so addresses of keys and values are uniform: one load
// serves the block. Keys that every query of the block sees come first, without a mask; MASKED_ONLY leaves that loop out
// (long heads, whose text would take long to compile twice).
//
// CACHED: every sequence goes on from the same cacheLength earlier tokens, whose keys and values are cachedKey and
// cachedValue [≥ cacheLength, keyValueHeads, HEAD_DIM]; they are walked first. A token sees `window` positions at most, its own
// included. Nothing is kept for a backward pass.
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
  // Tokens beyond the end repeat the last one and are not stored.
  let token${r} = min(blockStart + ${r * WORKGROUP_SIZE}u + local, blockLast);
#if CACHED
  let ownStart${r} = offsets[sequenceOfToken[token${r}]];
  // Positions before the first one that the window leaves.
  let before${r} = parameters.cacheLength + token${r} - ownStart${r} + 1u;
  let hidden${r} = before${r} - min(before${r}, parameters.window);
  let start${r} = ownStart${r} + max(hidden${r}, parameters.cacheLength) - parameters.cacheLength;
#else
  let start${r} = offsets[sequenceOfToken[token${r}]];
#endif
  let queryRow${r} = token${r} * parameters.heads + head;
#for d in 0..VECTORS
  let query${r}_${d} = loadQuery(queryRow${r}, ${d}u) * (parameters.scale * LOG2_E);
  var sum${r}_${d} = vec4<f32>();
#endfor
  var largest${r} = LOWEST;
  var normalizer${r} = 0.0;
#endfor

  let keyStart = offsets[sequenceOfToken[blockStart]];
#if MASKED_ONLY
  let fullEnd = keyStart;
#else
  // A block within one sequence sees all keys up to its first token; one across sequences has only masked steps.
  let oneSequence = sequenceOfToken[blockStart] == sequenceOfToken[blockLast];
  let fullKeys = select(0u, blockStart + 1u - keyStart, oneSequence) / u32(KEYS) * u32(KEYS);
  let fullEnd = keyStart + fullKeys;
#endif

  // Walk 0: keys of the cache. Walk 1: own keys that all see. Walk 2: own keys with a mask.
#for walk in (!CACHED)..3
#if walk != 1 || !MASKED_ONLY
#if walk == 0
  for (var first = 0u; first < parameters.cacheLength; first += u32(KEYS)) {
#endif
#if walk == 1
  for (var first = keyStart; first < fullEnd; first += u32(KEYS)) {
#endif
#if walk == 2
  for (var first = fullEnd; first <= blockLast; first += u32(KEYS)) {
#endif
#for j in 0..KEYS
#if walk == 0
    let row${j} = min(first + ${j}u, parameters.cacheLength - 1u) * parameters.keyValueHeads + keyHead;
#endif
#if walk == 1
    let row${j} = (first + ${j}u) * parameters.keyValueHeads + keyHead;
#endif
#if walk == 2
    let row${j} = min(first + ${j}u, blockLast) * parameters.keyValueHeads + keyHead;
#endif
#for d in 0..VECTORS
#if walk == 0
    let key${j}_${d} = loadCachedKey(row${j}, ${d}u);
#else
    let key${j}_${d} = loadKey(row${j}, ${d}u);
#endif
#endfor
#endfor
#for r in 0..QUERIES
#for j in 0..KEYS
    var score${r}_${j} = 0.0;
#for d in 0..VECTORS
    score${r}_${j} = dotOnto(query${r}_${d}, key${j}_${d}, score${r}_${j});
#endfor
#if walk != 1
#if walk == 0
    let seen${r}_${j} = first + ${j}u >= hidden${r} && first + ${j}u < parameters.cacheLength;
#else
    let seen${r}_${j} = first + ${j}u >= start${r} && first + ${j}u <= token${r};
#endif
    score${r}_${j} = select(LOWEST, score${r}_${j}, seen${r}_${j});
#endif
#endfor
    var next${r} = largest${r};
#for j in 0..KEYS
    next${r} = max(next${r}, score${r}_${j});
#endfor
    let shrink${r} = exp2(largest${r} - next${r});
    largest${r} = next${r};
    normalizer${r} *= shrink${r};
#for j in 0..KEYS
#if walk != 1
    // Where nothing was seen yet, largest is LOWEST too and the exponential alone would give one.
    let weight${r}_${j} = select(0.0, exp2(score${r}_${j} - next${r}), seen${r}_${j});
#else
    let weight${r}_${j} = exp2(score${r}_${j} - next${r});
#endif
    normalizer${r} += weight${r}_${j};
#endfor
#for d in 0..VECTORS
    sum${r}_${d} *= shrink${r};
#endfor
#endfor
#for j in 0..KEYS
#for d in 0..VECTORS
#if walk == 0
    let value${j}_${d} = loadCachedValue(row${j}, ${d}u);
#else
    let value${j}_${d} = loadValue(row${j}, ${d}u);
#endif
#for r in 0..QUERIES
    sum${r}_${d} = fma(vec4<f32>(weight${r}_${j}), value${j}_${d}, sum${r}_${d});
#endfor
#endfor
#endfor
  }
#endif
#endfor

#for r in 0..QUERIES
  if (blockStart + ${r * WORKGROUP_SIZE}u + local <= blockLast) {
    let share = 1.0 / normalizer${r};
#for d in 0..VECTORS
    storeOut(queryRow${r}, ${d}u, sum${r}_${d} * share);
#endfor
#if !CACHED
    logSumExp[queryRow${r}] = largest${r} * LN_2 + naturalLogarithm(normalizer${r});
#endif
  }
#endfor
}
