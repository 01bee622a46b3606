/** CCF-LLM's whole value function in float64: encoder tables → ALG → GATE → fusion → LLaMA with LoRA → loss. */
import { type ActivationName, relu } from './activations';
import {
  type AnswerInputs,
  type AnswerLoss,
  answerCrossEntropy,
  type Eq5Options,
  eq5,
  yesLogitBce,
} from './answer-loss';
import { gatherRows } from './embedding';
import { gatedFusion } from './gated-fusion';
import type { ScalarFunction } from './gradient-check';
import { linear } from './linear-algebra';
import { type ReferenceLlamaConfig, type ReferenceLora, type ReferenceWeights, referenceLlama } from './llama';
import { type Reference, randomNormal, reference } from './reference';

/**
 * The trainable parameters as a plain record, so that a test can perturb any entry. Names and shapes (l = cfDim,
 * d = hidden size, g = gate width, d or 1):
 * - `encoder.user` [U, l], `encoder.item` [I, l]
 * - `alg.hidden.weight` [10·l, l], `.bias`; `alg.output.weight` [d, 10·l], `.bias` (the factor 10 is the caller's)
 * - `gate.cf.hidden.weight` [h, d], `.bias`; `gate.cf.output.weight` [g, h], `.bias`; the same under `gate.text`.
 *   Without the two `hidden` entries the gate is a single Linear [g, d]; without any `gate` entry α = 1.
 * - LoRA by module: `model.layers.0.self_attn.q_proj.lora_A.weight` [r, in], `….lora_B.weight` [out, r]
 */
export type CcfParameters = Readonly<Record<string, Reference>>;

/** What is frozen or chosen. */
export interface CcfModel {
  llama: ReferenceLlamaConfig;
  weights: ReferenceWeights;
  yesToken: number;
  noToken: number;
  /** alpha / r; default 2 (16 / 8). */
  loraScale?: number;
  /** Applied to α; default none. */
  gateActivation?: ActivationName;
  /** Default `eq5`. */
  loss?: 'eq5' | 'yes-logit-bce' | 'answer-ce';
  eq5?: Eq5Options;
}

/**
 * Packed prompts, position by position (−1 = none). A title token of an item slot has `tokenId` and `itemId` and passes
 * the gate; a slot without a token (`[User]`) has an id only, and its vector enters as it is.
 */
export interface CcfBatch {
  offsets: ArrayLike<number>;
  tokenId: ArrayLike<number>;
  userId: ArrayLike<number>;
  itemId: ArrayLike<number>;
  /** One per prompt. */
  labels: ArrayLike<number>;
}

export interface CcfResult extends AnswerLoss {
  /** [B], in the sense of the chosen loss. */
  score: Reference;
  /** [B, vocab], at the last position of each prompt. */
  logits: Reference;
  /** [T, d], what the LLaMA reads. */
  embeddings: Reference;
  /** [U + I, d], ALG of every user, then of every item. */
  aligned: Reference;
}

function parameter(parameters: CcfParameters, name: string): Reference {
  const value = parameters[name];
  if (!value) throw new Error(`the CCF parameters have no ${name}`);
  return value;
}

/** Linear, or Linear – ReLU – Linear where `${name}.hidden.weight` exists. */
function perceptron(parameters: CcfParameters, name: string, x: Reference): Reference {
  const layer = (part: string, input: Reference) =>
    linear(input, parameter(parameters, `${name}.${part}.weight`), parameter(parameters, `${name}.${part}.bias`));
  return layer('output', `${name}.hidden.weight` in parameters ? relu(layer('hidden', x)) : x);
}

function loraOf(parameters: CcfParameters, scale: number): Map<string, ReferenceLora> {
  const lora = new Map<string, ReferenceLora>();
  const suffix = '.lora_A.weight';
  for (const name of Object.keys(parameters)) {
    if (!name.endsWith(suffix)) continue;
    const module = name.slice(0, -suffix.length);
    lora.set(module, {
      a: parameter(parameters, name),
      b: parameter(parameters, `${module}.lora_B.weight`),
      scale,
    });
  }
  return lora;
}

/** Loss, scores and the intermediate values of one batch (NOTES of the paper: eq. 2–5). */
export function referenceCcf(model: CcfModel, parameters: CcfParameters, batch: CcfBatch): CcfResult {
  const { offsets, tokenId, userId, itemId } = batch;
  const tokenEmbeddings = model.weights.get('model.embed_tokens.weight');
  if (!tokenEmbeddings) throw new Error('the CCF model has no weight model.embed_tokens.weight');

  const users = parameter(parameters, 'encoder.user');
  const items = parameter(parameters, 'encoder.item');
  const collaborative = reference([users.shape[0]! + items.shape[0]!, users.shape[1]!], [...users.data, ...items.data]);
  const aligned = perceptron(parameters, 'alg', collaborative);
  const cfRow = Array.from(tokenId, (_, p) => {
    if (userId[p]! >= 0 && itemId[p]! >= 0) throw new Error(`position ${p} names both a user and an item`);
    return userId[p]! >= 0 ? userId[p]! : itemId[p]! >= 0 ? users.shape[0]! + itemId[p]! : -1;
  });

  // The gate's text side is evaluated once per fused position: repeated tokens cost time, not correctness.
  const gated = 'gate.cf.output.weight' in parameters;
  const fusedTokens: number[] = [];
  const textRow = cfRow.map((row, p) =>
    gated && row >= 0 && tokenId[p]! >= 0 ? fusedTokens.push(tokenId[p]!) - 1 : -1,
  );
  const embeddings = gatedFusion({
    tokenEmbeddings,
    aligned,
    gateCf: gated ? perceptron(parameters, 'gate.cf', aligned) : null,
    gateText: gated ? perceptron(parameters, 'gate.text', gatherRows(tokenEmbeddings, fusedTokens)) : null,
    tokenId,
    cfRow,
    textRow,
    activation: model.gateActivation ?? 'none',
  });
  const { logits } = referenceLlama(model.llama, model.weights, {
    embeddings,
    offsets,
    lora: loraOf(parameters, model.loraScale ?? 2),
  });
  const { yesToken, noToken } = model;
  return { ...answerLoss(model, { logits, yesToken, noToken, labels: batch.labels }), logits, embeddings, aligned };
}

function answerLoss(model: CcfModel, inputs: AnswerInputs): AnswerLoss & { score: Reference } {
  switch (model.loss ?? 'eq5') {
    case 'eq5':
      return eq5(inputs, model.eq5);
    case 'yes-logit-bce':
      return yesLogitBce(inputs);
    case 'answer-ce':
      return answerCrossEntropy(inputs);
  }
}

/** The mean loss as a function of one parameter's values: what a gradient check perturbs. */
export function ccfLossOf(model: CcfModel, parameters: CcfParameters, batch: CcfBatch, name: string): ScalarFunction {
  const { shape } = parameter(parameters, name);
  return (data) => referenceCcf(model, { ...parameters, [name]: { shape, data } }, batch).loss;
}

export interface CcfSizes {
  /** Rows of the two tables, padding row 0 included. */
  users: number;
  items: number;
  cfDim: number;
  /** Width of ALG's hidden layer; default 10·cfDim. */
  algHidden?: number;
  /** Width of the gates' hidden layer; null = a single Linear; default 256. */
  gateHidden?: number | null;
  /** Output width of the gates: d (default) or 1; 0 = no gate. */
  gateWidth?: number;
  /** Default 8. */
  loraRank?: number;
  /** Projections with LoRA; default q_proj and v_proj. */
  loraTargets?: readonly ('q_proj' | 'k_proj' | 'v_proj' | 'o_proj')[];
}

/**
 * Random parameters by seed, rounded to f32, all of them away from zero (LoRA's B too, so that every gradient shows).
 */
export function randomCcfParameters(
  llama: ReferenceLlamaConfig,
  sizes: CcfSizes,
  seed: number,
): Record<string, Reference> {
  const { users, items, cfDim, algHidden = 10 * cfDim, gateHidden = 256, loraRank = 8 } = sizes;
  const { gateWidth = llama.hiddenSize, loraTargets = ['q_proj', 'v_proj'] } = sizes;
  const parameters: Record<string, Reference> = {};
  let index = 0;
  const put = (name: string, shape: number[], scale: number) => {
    parameters[name] = randomNormal(shape, seed * 1013 + index++, scale);
  };
  const putLinear = (name: string, outputs: number, inputs: number) => {
    put(`${name}.weight`, [outputs, inputs], 1 / Math.sqrt(inputs));
    put(`${name}.bias`, [outputs], 0.1);
  };
  const putPerceptron = (name: string, outputs: number, hidden: number | null, inputs: number) => {
    if (hidden !== null) putLinear(`${name}.hidden`, hidden, inputs);
    putLinear(`${name}.output`, outputs, hidden ?? inputs);
  };
  put('encoder.user', [users, cfDim], 1);
  put('encoder.item', [items, cfDim], 1);
  putPerceptron('alg', llama.hiddenSize, algHidden, cfDim);
  if (gateWidth > 0) {
    putPerceptron('gate.cf', gateWidth, gateHidden, llama.hiddenSize);
    putPerceptron('gate.text', gateWidth, gateHidden, llama.hiddenSize);
  }
  const queryWidth = llama.heads * llama.headDim;
  const keyWidth = llama.keyValueHeads * llama.headDim;
  for (let layer = 0; layer < llama.layers; layer++) {
    for (const target of loraTargets) {
      const name = `model.layers.${layer}.self_attn.${target}`;
      const inputs = target === 'o_proj' ? queryWidth : llama.hiddenSize;
      const outputs = target === 'q_proj' ? queryWidth : target === 'o_proj' ? llama.hiddenSize : keyWidth;
      put(`${name}.lora_A.weight`, [loraRank, inputs], 1 / Math.sqrt(inputs));
      put(`${name}.lora_B.weight`, [outputs, loraRank], 0.2);
    }
  }
  return parameters;
}
