// Product of a sparse matrix in compressed rows (CSR) with a dense one, without atomics:
//   out[r, :] (+)= Σ_{j = offsets[r]}^{offsets[r+1]-1} weights[j] · x[neighbors[j], :]
// with x [inputRows, columns] and out [rows, columns]. One layer of LightGCN (He et al. 2020) with
// weights 1 / √(degree · degree). Each sum runs in the order of the entries, so the result is the same bits each time.
//
// Both matrices may be larger than one binding: `x` holds rows [firstInputRow, + inputRows) and `out` rows
// [firstRow, + rows); entries outside x are left to another dispatch. ACCUMULATE adds to what is there.
#include vector
#include invocations

fn run(invocation: u32) {
  let row = invocation / parameters.spansPerRow;
  if (row >= parameters.rows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let width = min(u32(SPAN), parameters.valuesPerRow - first);
  let base = row * parameters.valuesPerRow + first;

#for i in 0..SPAN
  var sum${i} = Value(0.0);
#endfor
  let end = offsets[parameters.firstRow + row + 1u];
  for (var j = offsets[parameters.firstRow + row]; j < end; j++) {
    // Unsigned: a row before the bound part wraps to a large number.
    let input = neighbors[j] - parameters.firstInputRow;
    if (input >= parameters.inputRows) { continue; }
    let weight = weights[j];
    let start = input * parameters.valuesPerRow + first;
#for i in 0..SPAN
    if (${i}u < width) { sum${i} = fma(Value(weight), x[start + ${i}u], sum${i}); }
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
