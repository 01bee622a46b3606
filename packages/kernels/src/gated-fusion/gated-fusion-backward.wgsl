// First half of the gated fusion's backward, position by position; segmented sums over CF rows and text rows follow.
// With g = gradOut[p], x = gateCf[cfRows[p]] + gateText[textRows[p]] and f the activation:
//   weighted[p]     = α_p ⊙ g                          → summed by CF row it is the gradient of `aligned`
//   gateGradient[p] = f'(x) ⊙ g ⊙ aligned[cfRows[p]]   → summed by CF row and by text row: the gates' gradients
// Both are zero where there is no CF row, gateGradient also where there is no text row (α = 1).
// GATE_SCALAR: gates of width 1, so gateGradient [positions] sums over the columns and SPAN covers the whole row.
// gradOut, weighted [positions, d]; gateGradient [positions, d] or [positions].
#include activations
#include invocations

// How the gates are stored.
#if GATE_SCALAR
alias Gate = f32;
#else
alias Gate = Value;
#endif

fn run(invocation: u32) {
  let position = invocation / parameters.spansPerRow;
  if (position >= parameters.positions) { return; }
  let first = (invocation % parameters.spansPerRow) * parameters.span;
  let last = min(first + parameters.span, parameters.valuesPerRow);
  let base = position * parameters.valuesPerRow;
  let hasCf = cfRows[position] >= 0;
  let hasGate = hasCf && textRows[position] >= 0;
  let cfRow = u32(max(cfRows[position], 0));
  let textRow = u32(max(textRows[position], 0));
#if GATE_SCALAR
  let gate = Value(gateCf[cfRow] + gateText[textRow]);
  let alpha = select(Value(1.0), activate(gate), hasGate);
  var product = Value(0.0);
  for (var c = first; c < last; c++) {
    let g = select(Value(0.0), gradOut[base + c], hasCf);
    weighted[base + c] = alpha * g;
    product += g * aligned[cfRow * parameters.valuesPerRow + c];
  }
  gateGradient[position] = select(0.0, total(product * activationDerivative(gate)), hasGate);
#else
  for (var c = first; c < last; c++) {
    let g = select(Value(0.0), gradOut[base + c], hasCf);
    let gate = gateCf[cfRow * parameters.valuesPerRow + c] + gateText[textRow * parameters.valuesPerRow + c];
    let alpha = select(Value(1.0), activate(gate), hasGate);
    let product = g * aligned[cfRow * parameters.valuesPerRow + c];
    weighted[base + c] = alpha * g;
    gateGradient[base + c] = select(Value(0.0), product * activationDerivative(gate), hasGate);
  }
#endif
}
