// The best items so far as a binary heap with the worst at its root, in scores and ids [heaps, k] from `base` on.
// An item is better with the higher score, of equal scores with the lower id: a total order, so the outcome does not
// depend on the order of arrival.

fn is_worse(scoreA: f32, idA: u32, scoreB: f32, idB: u32) -> bool {
  return scoreA < scoreB || (scoreA == scoreB && idA > idB);
}

/// Puts an item at the root of a heap of `size` and moves it down to its place.
fn sift_down(base: u32, size: u32, score: f32, id: u32) {
  var at = 0u;
  loop {
    var child = 2u * at + 1u;
    if (child >= size) { break; }
    if (child + 1u < size && is_worse(scores[base + child + 1u], ids[base + child + 1u], scores[base + child], ids[base + child])) {
      child++;
    }
    if (!is_worse(scores[base + child], ids[base + child], score, id)) { break; }
    scores[base + at] = scores[base + child];
    ids[base + at] = ids[base + child];
    at = child;
  }
  scores[base + at] = score;
  ids[base + at] = id;
}

/// Adds an item to a heap of `size` items and moves it up to its place.
fn sift_up(base: u32, size: u32, score: f32, id: u32) {
  var at = size;
  while (at > 0u) {
    let parent = (at - 1u) / 2u;
    if (!is_worse(score, id, scores[base + parent], ids[base + parent])) { break; }
    scores[base + at] = scores[base + parent];
    ids[base + at] = ids[base + parent];
    at = parent;
  }
  scores[base + at] = score;
  ids[base + at] = id;
}

/// Takes an item into a heap that keeps k. @returns the number of items after that.
fn offer(base: u32, size: u32, score: f32, id: u32) -> u32 {
  if (size < parameters.k) {
    sift_up(base, size, score, id);
    return size + 1u;
  }
  if (is_worse(scores[base], ids[base], score, id)) { sift_down(base, size, score, id); }
  return size;
}
