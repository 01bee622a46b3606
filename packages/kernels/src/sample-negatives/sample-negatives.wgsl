// A random item for each row that its user has no positive with: out[b, j] for the user users[b, j], from `candidates`.
// positives[positiveOffsets[u]] … positives[positiveOffsets[u + 1]] are the user's: candidates too, ascending, each once.
// The draws of the row at position p of the epoch are words of the Philox blocks at counter (p, block, epoch, 1) under key
// (seed, "CROS"), so they depend on nothing else. A user who likes nearly everything hits positives ATTEMPTS times: one more
// word then chooses among the candidates that are left. Of a user with none left the last draw stands.
#include philox
#include invocations

// The place of the user's first positive that is no smaller than an item.
fn place_of(user: u32, item: u32) -> u32 {
  var low = positiveOffsets[user];
  var high = positiveOffsets[user + 1u];
  while (low < high) {
    let middle = (low + high) / 2u;
    if (positives[middle] < item) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}

fn is_positive(user: u32, item: u32) -> bool {
  let place = place_of(user, item);
  return place < positiveOffsets[user + 1u] && positives[place] == item;
}

// The candidate before which `rank` others are no positives either: their number never falls from one to the next.
fn free_candidate(user: u32, rank: u32) -> u32 {
  var low = 0u;
  var high = parameters.candidateCount - 1u;
  while (low < high) {
    let middle = (low + high) / 2u;
    let liked = place_of(user, candidates[middle] + 1u) - positiveOffsets[user];
    if (middle + 1u - liked > rank) { high = middle; } else { low = middle + 1u; }
  }
  return candidates[low];
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
    if (!is_positive(user, item)) {
      out[place] = item;
      return;
    }
  }
  let free = parameters.candidateCount - (positiveOffsets[user + 1u] - positiveOffsets[user]);
  if (free > 0u) {
    let last = philox4x32(
      vec4<u32>(parameters.first + index, u32(ATTEMPTS), parameters.epoch, 1u),
      vec2<u32>(parameters.seed, 0x43524f53u),
    );
    item = free_candidate(user, multiplyHigh(last.x, free));
  }
  out[place] = item;
}
