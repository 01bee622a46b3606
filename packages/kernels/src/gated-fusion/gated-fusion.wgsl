// Gated fusion of token embeddings with aligned CF vectors (CCF-LLM, eq. 4), with the lookups:
//   out[p] = (tokenIds[p] ≥ 0 ? E[tokenIds[p]] : 0) + (cfRows[p] ≥ 0 ? α_p ⊙ aligned[cfRows[p]] : 0)
//   α_p = 1 where textRows[p] = −1, else activation(gateCf[cfRows[p]] + gateText[textRows[p]])
// E = tokenEmbeddings [vocab, d], aligned [cfRows, d], gates [.., d] or [.., 1] (GATE_SCALAR), out [positions, d].
//
// E may be larger than one binding: `tokenEmbeddings` is its part of partTokens rows from firstToken on. The dispatch
// with FUSE writes every position (its CF term, and E's row if it lies in the part); those without only add rows of theirs.
#include activations
#include invocations

// How the gates are stored.
#if GATE_SCALAR
alias Gate = f32;
#else
alias Gate = Value;
#endif

#if GATED
fn gateAt(cfRow: u32, textRow: u32, column: u32) -> Value {
#if GATE_SCALAR
  return activate(Value(gateCf[cfRow] + gateText[textRow]));
#else
  return activate(
    gateCf[cfRow * parameters.valuesPerRow + column] + gateText[textRow * parameters.valuesPerRow + column]);
#endif
}
#endif

fn run(invocation: u32) {
  let position = invocation / parameters.spansPerRow;
  if (position >= parameters.positions) { return; }
  let first = (invocation % parameters.spansPerRow) * SPAN;
  let last = min(first + SPAN, parameters.valuesPerRow);
  let base = position * parameters.valuesPerRow;
  // Unsigned: −1, and tokens before this part, wrap to large numbers.
  let token = u32(tokenIds[position]) - parameters.firstToken;
  let inPart = tokenIds[position] >= 0 && token < parameters.partTokens;
#if FUSE
  let cfRow = cfRows[position];
#if GATED
  let textRow = textRows[position];
#endif
  for (var c = first; c < last; c++) {
    var result = Value(0.0);
    if (inPart) { result = tokenEmbeddings[token * parameters.valuesPerRow + c]; }
    if (cfRow >= 0) {
      let vector = aligned[u32(cfRow) * parameters.valuesPerRow + c];
#if GATED
      var alpha = Value(1.0);
      if (textRow >= 0) { alpha = gateAt(u32(cfRow), u32(textRow), c); }
      result += alpha * vector;
#else
      result += vector;
#endif
    }
    out[base + c] = result;
  }
#else
  if (!inPart) { return; }
  for (var c = first; c < last; c++) { out[base + c] += tokenEmbeddings[token * parameters.valuesPerRow + c]; }
#endif
}
