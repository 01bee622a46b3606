// How much device memory training takes, computed from shapes before anything is allocated.
import type { CfMemory } from '@crossgate/cf';
import { sizeClass } from '@crossgate/gpu';
import type { LlamaConfig, LoraOptions } from '@crossgate/llm';
import { loraParameterShapes, weightBytes } from '@crossgate/llm';
import type { ActivationStorage } from '@crossgate/tensor';

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
  /** How the tape keeps what the backward pass reads; see `Tape`. Default f32. */
  readonly activations?: ActivationStorage;
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

/** Bytes that layers keep for their backward pass, and all in f32 that each holds at its end; the last one, when its attention is done. */
interface LayerBytes {
  readonly attention: readonly number[];
  readonly feedForward: readonly number[];
  readonly held: readonly number[];
}

/** Bytes of values of these widths for every token, in the size classes of the step pool. */
const bytesPerToken =
  (tokens: number, bytes: number) =>
  (...widths: number[]) =>
    widths.reduce((sum, width) => sum + sizeClass(bytes * tokens * width), 0);

/**
 * What each layer keeps, by which of its modules have adapters: an adapted module keeps its input and its low-rank activations;
 * nothing is kept before the first adapter, since no gradient flows there.
 */
function layerBytes({
  llm,
  tokens,
  loraRank: rank,
  loraTargets: targets = ['q_proj', 'v_proj'],
  activations = 'f32',
}: MemoryPlanInput): LayerBytes {
  const { hiddenSize, intermediateSize, layers, heads, keyValueHeads, headDim } = llm;
  const queryWidth = heads * headDim;
  const keyWidth = keyValueHeads * headDim;
  const perToken = bytesPerToken(tokens, 4);
  const kept = bytesPerToken(tokens, activations === 'f16' ? 2 : 4);
  const shapes = loraParameterShapes(llm, { rank, targets });
  const rotated = [queryWidth, keyWidth, keyWidth, queryWidth]; // query, key, value, output
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
    const keptLow = (count: number) => count * kept(rank);
    const attends: boolean = flows || into > 0;
    attention.push(
      (flows || layer === 0 ? kept(hiddenSize) : 0) + // the layer's input
        (into > 0 ? kept(hiddenSize) + keptLow(into) : 0) + // normalised
        (attends ? kept(...rotated) + perToken(heads) : out * kept(queryWidth)) + // log-sum-exp stays f32
        keptLow(out),
    );
    const middle: boolean = attends || out > 0;
    feedForward.push(
      (middle ? kept(hiddenSize) : 0) +
        (wide > 0 ? kept(hiddenSize) + keptLow(wide) : 0) + // normalised
        (middle || wide > 0 ? kept(intermediateSize, intermediateSize) : 0) +
        (down > 0 ? kept(intermediateSize) : 0) + // SwiGLU's result
        keptLow(down),
    );
    // Unrotated query and key, and what only this layer's own scope holds: results of o and down, the sum, dropped inputs.
    const attended = perToken(hiddenSize, hiddenSize, queryWidth, keyWidth, ...rotated, heads) + low(into);
    const dropped =
      (into + wide) * perToken(hiddenSize) + out * perToken(queryWidth) + down * perToken(intermediateSize);
    const widths = [...Array<number>(5).fill(hiddenSize), ...Array<number>(3).fill(intermediateSize)];
    held.push(attended + (layer === layers - 1 ? 0 : perToken(...widths) + low(out + wide + down) + dropped));
    flows = middle || wide > 0 || down > 0;
  }
  return { attention, feedForward, held };
}

/**
 * Predicts the memory of one training step.
 *
 * With LoRA on q and v a layer keeps for its backward pass, per token: its input, the normalised input (LoRA's A reads it), the
 * low-rank activations of q and v, the rotated query and key, the value, attention's output and log-sum-exp, the middle
 * residual, and both halves of SwiGLU. The last layer's feed-forward runs for the answers alone. At the peak, near the end
 * of the forward pass, a layer also holds all else that it has made.
 *
 * With checkpointing a layer keeps its input alone. The peak is then in the backward pass of the last layer but one: all of what
 * that layer keeps, its output and the gradient of it, and the gradients of SwiGLU's result and halves.
 *
 * With activations in f16 all that is kept takes half, but for log-sum-exp; the layer that runs has its values in f32 too, and so
 * has a checkpointed one that runs again. The input of the first layer is its maker's, and stays in f32 beside its halves.
 */
export function planMemory(input: MemoryPlanInput): MemoryPlan {
  const { llm, tokens, prompts, cf = { persistent: 0, held: 0, peak: 0 } } = input;
  const { hiddenSize, intermediateSize, layers, headDim, vocabSize } = llm;
  const perToken = bytesPerToken(tokens, 4);
  const halves = input.activations === 'f16' ? bytesPerToken(tokens, 2) : null;
  const { attention, feedForward, held } = layerBytes(input.checkpointing ? { ...input, activations: 'f32' } : input);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const answers = 4 * prompts * (2 * vocabSize + 6 * hiddenSize + 4 * intermediateSize);
  const languageModel =
    answers +
    (input.checkpointing
      ? Math.max(0, layers - 2) * (halves ?? perToken)(hiddenSize) +
        (halves ? halves(hiddenSize) + perToken(hiddenSize) : 0) +
        attention.at(-1)! +
        (feedForward.at(-2) ?? 0) +
        perToken(hiddenSize, hiddenSize, intermediateSize, intermediateSize, intermediateSize)
      : Math.max(
          ...held.map((own, layer) => {
            const below = sum(attention.slice(0, layer)) + sum(feedForward.slice(0, layer)) + own;
            if (!halves) return below;
            const besides = attention[layer]! + (layer === layers - 1 ? 0 : feedForward[layer]!);
            return below + besides + (layer > 0 ? perToken(hiddenSize) : 0);
          }),
        ));
  const weights = (input.weightBytes ?? weightBytes(llm, 'f32')) + 4 * input.maxPositions * headDim;
  const parameters = 8 * input.parameters;
  const optimizer = 8 * input.trained;
  // Vectors are made before the language model runs.
  const step = Math.max(cf.peak, cf.held + languageModel);
  const kept = weights + parameters + optimizer + cf.persistent;
  return { weights, parameters, optimizer, cf: cf.persistent, step, total: kept + step };
}
