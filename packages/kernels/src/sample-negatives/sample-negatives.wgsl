// A random item for each row that its user has no positive with: out[b, j] for the user users[b, j], from `candidates`.
// positives[positiveOffsets[u]] … positives[positiveOffsets[u + 1]] are the user's, ascending. The draws of the row at
// position p of the epoch are words of the Philox blocks at counter (p, block, epoch, 1) under key (seed, "CROS"), so they
// depend on nothing else. After ATTEMPTS hits on positives the last draw stands: such a user likes nearly everything.
#include philox
#include invocations

fn is_positive(user: u32, item: u32) -> bool {
  var low = positiveOffsets[user];
  let end = positiveOffsets[user + 1u];
  var high = end;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (positives[middle] < item) { low = middle + 1u; } else { high = middle; }
  }
  return low < end && positives[low] == item;
}

fn run(index: u32) {
  if (index >= parameters.count) { return; }
  let place = (index / parameters.batchSize) * parameters.stride + index % parameters.batchSize;
  let user = users[place];
  var words = vec4<u32>(0u);
  var item = 0u;
  for (var attempt = 0u; attempt < u32(ATTEMPTS); attempt++) {
    if (attempt % 4u == 0u) {
      words = philox4x32(
        vec4<u32>(parameters.first + index, attempt / 4u, parameters.epoch, 1u),
        vec2<u32>(parameters.seed, 0x43524f53u),
      );
    }
    // The high word of the product is uniform below the number of candidates.
    item = candidates[multiplyHigh(words[attempt % 4u], parameters.candidateCount)];
    if (!is_positive(user, item)) { break; }
  }
  out[place] = item;
}
