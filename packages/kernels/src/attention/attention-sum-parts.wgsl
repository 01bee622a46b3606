// out[i] = Σ over p of partial[p, i], in order, i < count: gradients of keys or values, of which each part holds what some of
// the query heads of a group give.
#include vector
#include invocations

fn run(i: u32) {
  if (i >= parameters.count) { return; }
  var sum = partial[i];
  for (var p = 1u; p < parameters.parts; p++) { sum += partial[p * parameters.count + i]; }
  out[i] = sum;
}
