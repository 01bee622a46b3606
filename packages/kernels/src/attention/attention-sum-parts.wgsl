// gradKey[i] = Σ over p of keyParts[p, i], in order, and the same of values, i < count: of the gradients, each part holds what
// some of the query heads of a group give.
#include vector
#include invocations

fn run(i: u32) {
  if (i >= parameters.count) { return; }
  var key = keyParts[i];
  var value = valueParts[i];
  for (var p = 1u; p < parameters.parts; p++) {
    key += keyParts[p * parameters.count + i];
    value += valueParts[p * parameters.count + i];
  }
  gradKey[i] = key;
  gradValue[i] = value;
}
