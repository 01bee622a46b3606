// Deterministic scatter-add by sorted segments (WGSL has no float atomics):
//   out[targets[s], :] (+)= Σ_{j = segmentOffsets[s]}^{segmentOffsets[s+1]-1} values[segmentPositions[j], :]
// with values [n, columns] and out [tableRows, columns]. Targets are distinct, so no two invocations write one element,
// and each sum runs in the order of the positions.
//
// Both arrays may be larger than one binding: `values` holds rows [firstValueRow, + valueRows) and `out` rows
// [firstTargetRow, + targetRows); positions and targets outside are left to another dispatch. ACCUMULATE adds to what
// is there.
#include vector
#include invocations

fn run(invocation: u32) {
  let segment = invocation / parameters.spansPerRow;
  if (segment >= parameters.segments) { return; }
  // Unsigned: a row before the bound part wraps to a large number.
  let target_row = targets[segment] - parameters.firstTargetRow;
  if (target_row >= parameters.targetRows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let width = min(u32(SPAN), parameters.valuesPerRow - first);
  let base = target_row * parameters.valuesPerRow + first;

#for i in 0..SPAN
  var sum${i} = Value(0.0);
#endfor
  for (var j = segmentOffsets[segment]; j < segmentOffsets[segment + 1u]; j++) {
    let row = segmentPositions[j] - parameters.firstValueRow;
    if (row >= parameters.valueRows) { continue; }
    let start = row * parameters.valuesPerRow + first;
#for i in 0..SPAN
    if (${i}u < width) { sum${i} += values[start + ${i}u]; }
#endfor
  }
#for i in 0..SPAN
  if (${i}u < width) {
#if ACCUMULATE
    out[base + ${i}u] += sum${i};
#else
    out[base + ${i}u] = sum${i};
#endif
  }
#endfor
}
