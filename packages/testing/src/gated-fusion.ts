/** Gated fusion of token embeddings with aligned CF vectors (eq. 4 of the paper) in float64. */
import { type ActivationName, scalarActivations } from './activations';
import { type Reference, requireShape, zeros } from './reference';

export interface GatedFusionInputs {
  /** [vocab, d], frozen. */
  tokenEmbeddings: Reference;
  /** [R, d], one row per distinct user or item. */
  aligned: Reference;
  /** [R, d] or [R, 1]: the gate's share that comes from the CF vector. Null: α = 1 everywhere. */
  gateCf: Reference | null;
  /** [S, d] or [S, 1], as wide as `gateCf`: the share that comes from the token. */
  gateText: Reference | null;
  /** Per position, −1 = none. */
  tokenId: ArrayLike<number>;
  cfRow: ArrayLike<number>;
  /** −1 = no gate at this position: α = 1. */
  textRow: ArrayLike<number>;
  /** Applied to gateCf + gateText; default none (eq. 3). */
  activation?: ActivationName;
}

function sizesOf(inputs: GatedFusionInputs): { positions: number; width: number; gateWidth: number } {
  const { tokenEmbeddings, aligned, gateCf, gateText, tokenId, cfRow, textRow } = inputs;
  requireShape(tokenEmbeddings, [-1, -1], 'gatedFusion tokenEmbeddings');
  const width = tokenEmbeddings.shape[1]!;
  requireShape(aligned, [-1, width], 'gatedFusion aligned');
  if ((gateCf === null) !== (gateText === null)) throw new RangeError('gatedFusion needs both gates or neither');
  const gateWidth = gateCf?.shape[1] ?? 1;
  if (gateCf && gateText) {
    if (gateWidth !== 1 && gateWidth !== width)
      throw new RangeError(`gatedFusion: gate width ${gateWidth}, d ${width}`);
    requireShape(gateCf, [aligned.shape[0]!, gateWidth], 'gatedFusion gateCf');
    requireShape(gateText, [-1, gateWidth], 'gatedFusion gateText');
  }
  if (cfRow.length !== tokenId.length || textRow.length !== tokenId.length) {
    throw new RangeError(`gatedFusion: ${tokenId.length} tokens, ${cfRow.length} CF rows, ${textRow.length} text rows`);
  }
  for (let p = 0; p < tokenId.length; p++) {
    if (
      tokenId[p]! >= tokenEmbeddings.shape[0]! ||
      cfRow[p]! >= aligned.shape[0]! ||
      (gateText !== null && textRow[p]! >= gateText.shape[0]!)
    ) {
      throw new RangeError(`gatedFusion: position ${p} names a row out of range`);
    }
  }
  return { positions: tokenId.length, width, gateWidth };
}

/** The gate before its activation at (position, column), or null where α = 1. */
function preActivation(inputs: GatedFusionInputs, gateWidth: number, p: number, column: number): number | null {
  const { gateCf, gateText } = inputs;
  const textRow = inputs.textRow[p]!;
  if (!gateCf || !gateText || textRow < 0) return null;
  const g = gateWidth === 1 ? 0 : column;
  return gateCf.data[inputs.cfRow[p]! * gateWidth + g]! + gateText.data[textRow * gateWidth + g]!;
}

/**
 * out[p] = (tokenId ≥ 0 ? E[tokenId] : 0) + (cfRow ≥ 0 ? α_p ⊙ aligned[cfRow] : 0), [P, d], where
 * α_p = 1 if textRow = −1, else activation(gateCf[cfRow] + gateText[textRow]).
 */
export function gatedFusion(inputs: GatedFusionInputs): Reference {
  const { positions, width, gateWidth } = sizesOf(inputs);
  const { value } = scalarActivations[inputs.activation ?? 'none'];
  const out = zeros([positions, width]);
  for (let p = 0; p < positions; p++) {
    const token = inputs.tokenId[p]!;
    const row = inputs.cfRow[p]!;
    for (let c = 0; c < width; c++) {
      let result = token >= 0 ? inputs.tokenEmbeddings.data[token * width + c]! : 0;
      if (row >= 0) {
        const gate = preActivation(inputs, gateWidth, p, c);
        result += (gate === null ? 1 : value(gate)) * inputs.aligned.data[row * width + c]!;
      }
      out.data[p * width + c] = result;
    }
  }
  return out;
}

/** Gradients of `gatedFusion` with respect to `aligned` and both gates (null without gates), shaped as they are. */
export function gatedFusionBackward(
  inputs: GatedFusionInputs,
  gradient: Reference,
): { aligned: Reference; gateCf: Reference | null; gateText: Reference | null } {
  const { positions, width, gateWidth } = sizesOf(inputs);
  requireShape(gradient, [positions, width], 'gatedFusion gradient');
  const { value, derivative } = scalarActivations[inputs.activation ?? 'none'];
  const aligned = zeros(inputs.aligned.shape);
  const gateCf = inputs.gateCf && zeros(inputs.gateCf.shape);
  const gateText = inputs.gateText && zeros(inputs.gateText.shape);
  for (let p = 0; p < positions; p++) {
    const row = inputs.cfRow[p]!;
    if (row < 0) continue;
    for (let c = 0; c < width; c++) {
      const upstream = gradient.data[p * width + c]!;
      const gate = preActivation(inputs, gateWidth, p, c);
      aligned.data[row * width + c]! += upstream * (gate === null ? 1 : value(gate));
      if (gate === null || !gateCf || !gateText) continue;
      const gateGradient = upstream * inputs.aligned.data[row * width + c]! * derivative(gate);
      const g = gateWidth === 1 ? 0 : c;
      gateCf.data[row * gateWidth + g]! += gateGradient;
      gateText.data[inputs.textRow[p]! * gateWidth + g]! += gateGradient;
    }
  }
  return { aligned, gateCf, gateText };
}
