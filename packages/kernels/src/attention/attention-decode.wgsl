// Attention of few tokens to many earlier ones, as attention.wgsl's CACHED, spread over the keys: a workgroup takes one token
// of one head, and invocation i the visible keys i, i + WORKGROUP_SIZE, … ("Flash-Decoding", Dao et al. 2023). Each has its own
// online softmax; at the end their largest scores meet, sums are scaled to the common one and added as a tree, in a fixed order.
// query, out [tokens, heads, HEAD_DIM]; key, value [tokens, keyValueHeads, HEAD_DIM]; cachedKey, cachedValue
// [≥ cacheLength, keyValueHeads, HEAD_DIM]; offsets [sequences + 1]; sequenceOfToken [tokens].
//
// SHARED_QUERY keeps the query in workgroup memory, where registers are few, instead of in every invocation.
#include attention-common

#if SHARED_QUERY
var<workgroup> sharedQuery: array<vec4<f32>, VECTORS>;
#endif
/// Largest score and normalizer of every invocation.
var<workgroup> softmaxOf: array<vec2<f32>, WORKGROUP_SIZE>;
/// Sums that the lower half of a step's invocations add to theirs.
var<workgroup> handedOn: array<vec4<f32>, ${VECTORS * HALF}>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let queryRow = workgroup.x + workgroup.y * grid.x;
  if (queryRow >= parameters.tokens * parameters.heads) { return; }
  let token = queryRow / parameters.heads;
  let keyHead = queryRow % parameters.heads / parameters.group;
  let ownStart = offsets[sequenceOfToken[token]];
  // Positions before the first one that the window leaves.
  let before = parameters.cacheLength + token - ownStart + 1u;
  let hidden = before - min(before, parameters.window);

#if SHARED_QUERY
  for (var d = local; d < u32(VECTORS); d += u32(WORKGROUP_SIZE)) {
    sharedQuery[d] = loadQuery(queryRow, d) * (parameters.scale * LOG2_E);
  }
  workgroupBarrier();
#endif
#for d in 0..VECTORS
#if !SHARED_QUERY
  let query_${d} = loadQuery(queryRow, ${d}u) * (parameters.scale * LOG2_E);
#endif
  var sum_${d} = vec4<f32>();
#endfor
  var largest = LOWEST;
  var normalizer = 0.0;

  // Walk 0: keys of the cache. Walk 1: own keys.
#for walk in 0..2
#if walk == 0
  for (var position = hidden + local; position < parameters.cacheLength; position += u32(WORKGROUP_SIZE)) {
    let row = position * parameters.keyValueHeads + keyHead;
#else
  let firstOwn = ownStart + max(hidden, parameters.cacheLength) - parameters.cacheLength;
  for (var other = firstOwn + local; other <= token; other += u32(WORKGROUP_SIZE)) {
    let row = other * parameters.keyValueHeads + keyHead;
#endif
    var score = 0.0;
#for d in 0..VECTORS
#if SHARED_QUERY
    let query_${d} = sharedQuery[${d}];
#endif
#if walk == 0
    score = dotOnto(query_${d}, loadCachedKey(row, ${d}u), score);
#else
    score = dotOnto(query_${d}, loadKey(row, ${d}u), score);
#endif
#endfor
    let next = max(largest, score);
    let shrink = exp2(largest - next);
    let weight = exp2(score - next);
    largest = next;
    normalizer = fma(normalizer, shrink, weight);
#for d in 0..VECTORS
#if walk == 0
    sum_${d} = fma(vec4<f32>(weight), loadCachedValue(row, ${d}u), sum_${d} * shrink);
#else
    sum_${d} = fma(vec4<f32>(weight), loadValue(row, ${d}u), sum_${d} * shrink);
#endif
#endfor
  }
#endfor

  softmaxOf[local] = vec2<f32>(largest, normalizer);
  workgroupBarrier();
  var reach = LOWEST;
  for (var i = 0u; i < u32(WORKGROUP_SIZE); i++) { reach = max(reach, softmaxOf[i].x); }
  var total = 0.0;
  // An invocation without keys has LOWEST, and a share of zero.
  for (var i = 0u; i < u32(WORKGROUP_SIZE); i++) { total += softmaxOf[i].y * exp2(softmaxOf[i].x - reach); }
  let share = exp2(largest - reach) / total;
#for d in 0..VECTORS
  sum_${d} *= share;
#endfor
  for (var width = ${HALF}u; width > 0u; width /= 2u) {
    if (local >= width && local < 2u * width) {
#for d in 0..VECTORS
      handedOn[(local - width) * u32(VECTORS) + ${d}u] = sum_${d};
#endfor
    }
    workgroupBarrier();
    if (local < width) {
#for d in 0..VECTORS
      sum_${d} += handedOn[local * u32(VECTORS) + ${d}u];
#endfor
    }
    workgroupBarrier();
  }
  if (local == 0u) {
#for d in 0..VECTORS
    storeOut(queryRow, ${d}u, sum_${d});
#endfor
  }
}
