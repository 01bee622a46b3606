// The k best of several heaps of one user, best first: from partScores and partIds [users, parts, k] with
// partCounts [users, parts] to scores and ids [users, k] and counts [users]. An invocation per user.
#include heap
#include invocations

fn run(user: u32) {
  if (user >= parameters.users) { return; }
  let base = user * parameters.k;
  var size = 0u;
  for (var part = user * parameters.parts; part < (user + 1u) * parameters.parts; part++) {
    for (var entry = part * parameters.k; entry < part * parameters.k + partCounts[part]; entry++) {
      size = offer(base, size, partScores[entry], partIds[entry]);
    }
  }
  counts[user] = size;
  // Heap sort: the root is the worst of what is left and goes behind it.
  for (var last = size; last > 1u; last--) {
    let score = scores[base];
    let id = ids[base];
    sift_down(base, last - 1u, scores[base + last - 1u], ids[base + last - 1u]);
    scores[base + last - 1u] = score;
    ids[base + last - 1u] = id;
  }
}
