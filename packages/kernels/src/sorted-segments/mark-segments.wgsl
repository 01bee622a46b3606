// Segments of equal keys among sorted positions, in the form that segment-sum reads, without compaction: one segment per
// position. Where a run of equal keys begins at j, targets[j] is the key and offsets[j] … offsets[j + 1] the run; every
// other position has the target 0xffffffff, which segment-sum drops. All arrays [batches, stride]; batch b has
// min(batchSize, count − b·batchSize) keys.
#include invocations

fn run(index: u32) {
  if (index >= parameters.count) { return; }
  let batch = index / parameters.batchSize;
  let j = index % parameters.batchSize;
  let base = batch * parameters.stride;
  let rows = min(parameters.batchSize, parameters.count - batch * parameters.batchSize);

  let key = keys[base + positions[base + j]];
  var begins = true;
  if (j > 0u) { begins = keys[base + positions[base + j - 1u]] != key; }
  var offset = j;
  if (!begins) {
    // Right behind a beginning this is where the run ends; elsewhere nobody reads it.
    var low = j + 1u;
    var high = rows;
    while (low < high) {
      let middle = (low + high) / 2u;
      if (keys[base + positions[base + middle]] == key) { low = middle + 1u; } else { high = middle; }
    }
    offset = low;
  }
  offsets[base + j] = offset;
  targets[base + j] = select(0xffffffffu, key, begins);
  if (j + 1u == rows) { offsets[base + rows] = rows; }
}
