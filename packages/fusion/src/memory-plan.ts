// How much device memory training takes, computed from shapes before anything is allocated.
import type { CfMemory } from '@crossgate/cf';
import { sizeClass } from '@crossgate/gpu';
import type { LlamaConfig, LoraOptions } from '@crossgate/llm';
import { loraParameterShapes, weightBytes } from '@crossgate/llm';

/** What decides the memory of training. */
export interface MemoryPlanInput {
  readonly llm: LlamaConfig;
  /** Bytes of the model's weights on the device, by `weightBytes` of `@crossgate/llm`. Default: all of them in f32. */
  readonly weightBytes?: number;
  /** Longest rotary table that is kept; see `LlamaModel.maxPositions`. */
  readonly maxPositions: number;
  /** Values of the parameter groups that exist (LoRA, ALG and GATE, ENC), trained or not. */
  readonly parameters: number;
  /** Values of the groups that the stage trains: they have moments. */
  readonly trained: number;
  readonly loraRank: number;
  /** As `LoraOptions.targets`. Default q_proj and v_proj. */
  readonly loraTargets?: LoraOptions['targets'];
  /** What the CF model takes beside its parameters; `held` 0 where the stage does not train it. Default: nothing. */
  readonly cf?: CfMemory;
  /** Tokens of a batch, all prompts together. */
  readonly tokens: number;
  readonly prompts: number;
  /** Whether layers keep only their input and run again; see `LlamaModel.checkpointing`. Default false. */
  readonly checkpointing?: boolean;
}

/** Bytes by purpose. */
export interface MemoryPlan {
  readonly weights: number;
  /** Values and gradients of the parameter groups. */
  readonly parameters: number;
  /** Both moments of what is trained. */
  readonly optimizer: number;
  /** What the CF model keeps beside its parameters, such as LightGCN's graph. */
  readonly cf: number;
  /** Peak of everything between two optimizer updates, in the size classes of the step pool. */
  readonly step: number;
  readonly total: number;
}

/** Bytes that layers keep for their backward pass, and all that each holds at its end; the last one, when its attention is done. */
interface LayerBytes {
  readonly attention: readonly number[];
  readonly feedForward: readonly number[];
  readonly held: readonly number[];
}

/**
 * What each layer keeps, by which of its modules have adapters: an adapted module keeps its input and its low-rank activations;
 * nothing is kept before the first adapter, since no gradient flows there.
 */
function layerBytes({
  llm,
  tokens,
  loraRank: rank,
  loraTargets: targets = ['q_proj', 'v_proj'],
}: MemoryPlanInput): LayerBytes {
  const { hiddenSize, intermediateSize, layers, heads, keyValueHeads, headDim } = llm;
  const queryWidth = heads * headDim;
  const keyWidth = keyValueHeads * headDim;
  const perToken = (...widths: number[]) => widths.reduce((sum, width) => sum + sizeClass(4 * tokens * width), 0);
  const shapes = loraParameterShapes(llm, { rank, targets });
  const rotated = perToken(queryWidth, keyWidth, keyWidth, queryWidth, heads); // query, key, value, output, log-sum-exp
  const attention: number[] = [];
  const feedForward: number[] = [];
  let flows = false;
  const held: number[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const adapted = (...names: string[]) =>
      names.filter((name) => shapes.has(`model.layers.${layer}.${name}.lora_A.weight`)).length;
    const [into, out] = [
      adapted('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
      adapted('self_attn.o_proj'),
    ];
    const [wide, down] = [adapted('mlp.gate_proj', 'mlp.up_proj'), adapted('mlp.down_proj')];
    const low = (count: number) => count * perToken(rank);
    const attends: boolean = flows || into > 0;
    attention.push(
      (flows || layer === 0 ? perToken(hiddenSize) : 0) + // the layer's input
        (into > 0 ? perToken(hiddenSize) + low(into) : 0) + // normalised
        (attends ? rotated : out * perToken(queryWidth)) +
        low(out),
    );
    const middle: boolean = attends || out > 0;
    feedForward.push(
      (middle ? perToken(hiddenSize) : 0) +
        (wide > 0 ? perToken(hiddenSize) + low(wide) : 0) + // normalised
        (middle || wide > 0 ? perToken(intermediateSize, intermediateSize) : 0) +
        (down > 0 ? perToken(intermediateSize) : 0) + // SwiGLU's result
        low(down),
    );
    // Unrotated query and key, and what only this layer's own scope holds: results of o and down, the sum, dropped inputs.
    const attended = perToken(hiddenSize, hiddenSize, queryWidth, keyWidth) + low(into) + rotated;
    const dropped =
      (into + wide) * perToken(hiddenSize) + out * perToken(queryWidth) + down * perToken(intermediateSize);
    const widths = [...Array<number>(5).fill(hiddenSize), ...Array<number>(3).fill(intermediateSize)];
    held.push(attended + (layer === layers - 1 ? 0 : perToken(...widths) + low(out + wide + down) + dropped));
    flows = middle || wide > 0 || down > 0;
  }
  return { attention, feedForward, held };
}

/**
 * Predicts the memory of one training step, in f32.
 *
 * With LoRA on q and v a layer keeps for its backward pass, per token: its input, the normalised input (LoRA's A reads it), the
 * low-rank activations of q and v, the rotated query and key, the value, attention's output and log-sum-exp, the middle
 * residual, and both halves of SwiGLU. The last layer's feed-forward runs for the answers alone. At the peak, near the end
 * of the forward pass, a layer also holds all else that it has made.
 *
 * With checkpointing a layer keeps its input alone. The peak is then in the backward pass of the last layer but one: all of what
 * that layer keeps, its output and the gradient of it, and the gradients of SwiGLU's result and halves.
 */
export function planMemory(input: MemoryPlanInput): MemoryPlan {
  const { llm, tokens, prompts, cf = { persistent: 0, held: 0, peak: 0 } } = input;
  const { hiddenSize, intermediateSize, layers, headDim, vocabSize } = llm;
  const perToken = (...widths: number[]) => widths.reduce((sum, width) => sum + sizeClass(4 * tokens * width), 0);
  const { attention, feedForward, held } = layerBytes(input);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const answers = 4 * prompts * (2 * vocabSize + 6 * hiddenSize + 4 * intermediateSize);
  const languageModel =
    answers +
    (input.checkpointing
      ? Math.max(0, layers - 2) * perToken(hiddenSize) +
        attention.at(-1)! +
        (feedForward.at(-2) ?? 0) +
        perToken(hiddenSize, hiddenSize, intermediateSize, intermediateSize, intermediateSize)
      : Math.max(...held.map((own, layer) => sum(attention.slice(0, layer)) + sum(feedForward.slice(0, layer)) + own)));
  const weights = (input.weightBytes ?? weightBytes(llm, 'f32')) + 4 * input.maxPositions * headDim;
  const parameters = 8 * input.parameters;
  const optimizer = 8 * input.trained;
  // Vectors are made before the language model runs.
  const step = Math.max(cf.peak, cf.held + languageModel);
  const kept = weights + parameters + optimizer + cf.persistent;
  return { weights, parameters, optimizer, cf: cf.persistent, step, total: kept + step };
}
