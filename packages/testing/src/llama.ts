/**
 * A whole LLaMA in float64: RMSNorm, grouped heads, half-rotation RoPE, SwiGLU, LoRA; weights by Hugging Face's names.
 */
import { swiglu } from './activations';
import { attention } from './attention';
import { gatherRows } from './embedding';
import { add, linear, scale } from './linear-algebra';
import { rmsNorm } from './normalization';
import { type Reference, randomNormal, reference, requireShape, reshape } from './reference';
import { packedPositions, type ReferenceRopeScaling, rope } from './rope';

/** The sizes of a LLaMA; a loaded model's configuration can be passed as it is. */
export interface ReferenceLlamaConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  /** Divides `heads`. */
  keyValueHeads: number;
  headDim: number;
  rmsNormEpsilon: number;
  ropeTheta: number;
  ropeScaling?: ReferenceRopeScaling;
  /** A token sees itself and the slidingWindow − 1 tokens before it. */
  slidingWindow?: number;
  /** Biases on q, k and v. */
  attentionBias?: boolean;
  /** A bias on o. */
  outputBias?: boolean;
  /** Biases on gate, up and down. */
  feedForwardBias?: boolean;
  /** RMSNorm of every query and key head, before rotation: `self_attn.q_norm.weight` and `k_norm`, [headDim]. */
  queryKeyNorm?: boolean;
  /** True: the head is `model.embed_tokens.weight`; false: `lm_head.weight`. */
  tieWordEmbeddings: boolean;
}

/** Weights by Hugging Face's names, e.g. `model.layers.0.self_attn.q_proj.weight` [heads·headDim, hidden]. */
export type ReferenceWeights = ReadonlyMap<string, Reference>;

/** A low-rank update of one projection: y += scale · (x · aᵀ) · bᵀ. */
export interface ReferenceLora {
  /** [r, in] */
  a: Reference;
  /** [out, r] */
  b: Reference;
  /** alpha / r */
  scale: number;
}

export interface ReferenceLlamaInput {
  /** Token ids of all packed sequences; give these or `embeddings`. */
  tokens?: ArrayLike<number>;
  /** [T, hidden] in place of token embeddings. */
  embeddings?: Reference;
  /** `[0, n1, n1+n2, …, T]`; one sequence by default. */
  offsets?: ArrayLike<number>;
  /** Packed positions whose logits are wanted; by default the last of each sequence that is not empty. */
  logitPositions?: ArrayLike<number>;
  /** By module name, e.g. `model.layers.0.self_attn.q_proj`; any of the seven projections. */
  lora?: ReadonlyMap<string, ReferenceLora>;
}

export interface ReferenceLlamaOutput {
  /** [T, hidden], after the final norm. */
  hidden: Reference;
  /** [positions, vocab] */
  logits: Reference;
}

/** The shape of every weight by name, in the order of the forward pass. */
export function llamaWeightShapes(config: ReferenceLlamaConfig): Map<string, number[]> {
  const { hiddenSize, intermediateSize, heads, keyValueHeads, headDim, vocabSize } = config;
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [vocabSize, hiddenSize]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const name = `model.layers.${layer}`;
    shapes.set(`${name}.input_layernorm.weight`, [hiddenSize]);
    shapes.set(`${name}.self_attn.q_proj.weight`, [heads * headDim, hiddenSize]);
    shapes.set(`${name}.self_attn.k_proj.weight`, [keyValueHeads * headDim, hiddenSize]);
    shapes.set(`${name}.self_attn.v_proj.weight`, [keyValueHeads * headDim, hiddenSize]);
    shapes.set(`${name}.self_attn.o_proj.weight`, [hiddenSize, heads * headDim]);
    shapes.set(`${name}.post_attention_layernorm.weight`, [hiddenSize]);
    shapes.set(`${name}.mlp.gate_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${name}.mlp.up_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${name}.mlp.down_proj.weight`, [hiddenSize, intermediateSize]);
    if (config.queryKeyNorm) {
      shapes.set(`${name}.self_attn.q_norm.weight`, [headDim]);
      shapes.set(`${name}.self_attn.k_norm.weight`, [headDim]);
    }
    const biased = [
      ...(config.attentionBias ? ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'] : []),
      ...(config.outputBias ? ['self_attn.o_proj'] : []),
      ...(config.feedForwardBias ? ['mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'] : []),
    ];
    for (const module of biased) {
      shapes.set(`${name}.${module}.bias`, [shapes.get(`${name}.${module}.weight`)![0]!]);
    }
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (!config.tieWordEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize]);
  return shapes;
}

/**
 * Random weights by seed, rounded to f32: matrices N(0, 1/in) so that activations keep their size, embeddings N(0, 1),
 * norms around 1, biases around 0.
 */
export function randomLlamaWeights(config: ReferenceLlamaConfig, seed: number): Map<string, Reference> {
  const weights = new Map<string, Reference>();
  let index = 0;
  for (const [name, shape] of llamaWeightShapes(config)) {
    const values = randomNormal(shape, seed * 1009 + index++);
    const factor = name === 'model.embed_tokens.weight' ? 1 : 1 / Math.sqrt(shape.at(-1)!);
    const center = name.endsWith('.bias') ? 0 : 1;
    weights.set(
      name,
      reference(shape, (i) =>
        Math.fround(shape.length === 1 ? center + 0.2 * values.data[i]! : factor * values.data[i]!),
      ),
    );
  }
  return weights;
}

/** A weight by name with its shape checked; the error names both. */
function weightOf(weights: ReferenceWeights, name: string, shape: readonly number[]): Reference {
  const weight = weights.get(name);
  if (!weight) throw new Error(`the reference LLaMA has no weight ${name}`);
  requireShape(weight, shape, name);
  return weight;
}

/** The forward pass over packed sequences. Throws when a weight is missing or has another shape. */
export function referenceLlama(
  config: ReferenceLlamaConfig,
  weights: ReferenceWeights,
  input: ReferenceLlamaInput,
): ReferenceLlamaOutput {
  const { hiddenSize, heads, keyValueHeads, headDim, rmsNormEpsilon, ropeTheta } = config;
  const shapes = llamaWeightShapes(config);
  const weight = (name: string) => weightOf(weights, name, shapes.get(name) ?? []);
  const adapted = (y: Reference, x: Reference, name: string): Reference => {
    const lora = input.lora?.get(name);
    return lora ? add(y, scale(linear(linear(x, lora.a), lora.b), lora.scale)) : y;
  };
  const project = (x: Reference, name: string): Reference => {
    const bias = shapes.has(`${name}.bias`) ? weight(`${name}.bias`) : undefined;
    return adapted(linear(x, weight(`${name}.weight`), bias), x, name);
  };

  let x = embeddingsOf(input, weight('model.embed_tokens.weight'));
  const tokens = x.shape[0]!;
  requireShape(x, [tokens, hiddenSize], 'llama input');
  const offsets = input.offsets ?? [0, tokens];
  const positions = packedPositions(offsets);
  for (let layer = 0; layer < config.layers; layer++) {
    const name = `model.layers.${layer}`;
    const attended = rmsNorm(x, weight(`${name}.input_layernorm.weight`), rmsNormEpsilon);
    const split = (projection: string, count: number) =>
      reshape(project(attended, `${name}.self_attn.${projection}`), [tokens, count, headDim]);
    const rotated = (which: 'q' | 'k', count: number) => {
      const x = split(`${which}_proj`, count);
      if (!config.queryKeyNorm) return rope(x, positions, ropeTheta, config.ropeScaling);
      const flat = reshape(x, [tokens * count, headDim]);
      const normalized = rmsNorm(flat, weight(`${name}.self_attn.${which}_norm.weight`), rmsNormEpsilon);
      return rope(reshape(normalized, x.shape), positions, ropeTheta, config.ropeScaling);
    };
    const { output } = attention({
      q: rotated('q', heads),
      k: rotated('k', keyValueHeads),
      v: split('v_proj', keyValueHeads),
      offsets,
      ...(config.slidingWindow !== undefined && { window: config.slidingWindow }),
    });
    x = add(x, project(reshape(output, [tokens, heads * headDim]), `${name}.self_attn.o_proj`));
    const fed = rmsNorm(x, weight(`${name}.post_attention_layernorm.weight`), rmsNormEpsilon);
    const activated = swiglu(project(fed, `${name}.mlp.gate_proj`), project(fed, `${name}.mlp.up_proj`));
    x = add(x, project(activated, `${name}.mlp.down_proj`));
  }
  const hidden = rmsNorm(x, weight('model.norm.weight'), rmsNormEpsilon);
  const head = weight(config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
  const wanted = gatherRows(hidden, input.logitPositions ?? lastPositions(offsets));
  return { hidden, logits: adapted(linear(wanted, head), wanted, 'lm_head') };
}

function embeddingsOf(input: ReferenceLlamaInput, table: Reference): Reference {
  if ((input.tokens === undefined) === (input.embeddings === undefined)) {
    throw new Error('the reference LLaMA needs either tokens or embeddings');
  }
  return input.embeddings ?? gatherRows(table, input.tokens!);
}

/** The last packed position of every sequence that is not empty. */
export function lastPositions(offsets: ArrayLike<number>): number[] {
  const positions: number[] = [];
  for (let s = 0; s + 1 < offsets.length; s++) if (offsets[s + 1]! > offsets[s]!) positions.push(offsets[s + 1]! - 1);
  return positions;
}
