// One pass of a stable merge sort by rank, in many batches at once. keys, source and sorted [batches, stride]; batch b has
// min(batchSize, count − b·batchSize) keys, and `source` holds its positions in runs of `width` that are in order of
// (key, position). In `sorted` runs of twice that width are. A position moves by its place in its own run plus the number of
// positions of the neighboring run that go before it, found by bisection: no barriers, no atomics, the same for any size.
// In the FIRST pass every position is a run by itself, and `source` is not there.
#include invocations

fn position_at(base: u32, j: u32) -> u32 {
#if FIRST
  return j;
#else
  return source[base + j];
#endif
}

fn run(index: u32) {
  if (index >= parameters.count) { return; }
  let batch = index / parameters.batchSize;
  let j = index % parameters.batchSize;
  let base = batch * parameters.stride;
  let rows = min(parameters.batchSize, parameters.count - batch * parameters.batchSize);

  let position = position_at(base, j);
  let key = keys[base + position];
  let run = j / parameters.width;
  let start = run * parameters.width;
  let isLeft = run % 2u == 0u;
  let neighbor = select(start - parameters.width, start + parameters.width, isLeft);
  var low = 0u;
  var high = min(parameters.width, rows - min(rows, neighbor));
  while (low < high) {
    let middle = (low + high) / 2u;
    let other = keys[base + position_at(base, neighbor + middle)];
    // Of equal keys those of the left run go first.
    if (select(other <= key, other < key, isLeft)) { low = middle + 1u; } else { high = middle; }
  }
  sorted[base + min(start, neighbor) + (j - start) + low] = position;
}
