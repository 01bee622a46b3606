// Embedding lookup: out[r, :] = b[indices[r], :], out [rows, columns], b (the table) [tableRows, columns].
//
// The table may be larger than one binding. `b` is then its part that starts at row firstTableRow and holds
// partRows rows; each dispatch writes the rows whose index falls into its part. Rows with an index of tableRows or more
// (0xffffffff is the usual "none") become zero, written by the dispatch that holds the first part. With QUANTIZED the table
// has fewer bits a value and is widened as it is read; its rows are then filled up to sourceStride values.
#if INTEGERS
alias Value = u32;
#else
#include vector
#endif
#include operand-b
#include invocations

fn run(invocation: u32) {
  let row = invocation / parameters.spansPerRow;
  if (row >= parameters.rows) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let last = min(first + SPAN, parameters.valuesPerRow);
  let index = indices[row];
  let target_row = row * parameters.valuesPerRow;
  if (index >= parameters.tableRows) {
    if (parameters.firstTableRow == 0u) {
      for (var c = first; c < last; c++) { out[target_row + c] = Value(); }
    }
    return;
  }
  // Unsigned: an index before this part wraps to a large number.
  let part_row = index - parameters.firstTableRow;
  if (part_row >= parameters.partRows) { return; }
  let source_row = part_row * parameters.sourceStride;
  for (var c = first; c < last; c++) { out[target_row + c] = valueB(source_row + c); }
}
