// How much device memory training takes, computed from shapes before anything is allocated.
import type { CfMemory } from '@crossgate/cf';
import { sizeClass } from '@crossgate/gpu';
import type { LlamaConfig, LoraOptions } from '@crossgate/llm';
import { loraParameterShapes, weightBytes } from '@crossgate/llm';
import type { ActivationStorage } from '@crossgate/tensor';

/** What the memory of a training step depends on. */
export interface MemoryPlanInput {
  /** Shape of the language model. */
  readonly llm: LlamaConfig;
  /** Bytes of the model's weights on the device, by `weightBytes` of `@crossgate/llm`. Default: all of them in f32. */
  readonly weightBytes?: number;
  /** Number of positions of the rotary table; see `LlamaModel.maxPositions`. */
  readonly maxPositions: number;
  /** Number of values of all parameter groups (LoRA, ALG and GATE, ENC, learned vectors), trained or not. */
  readonly parameters: number;
  /** Number of values of the groups that the stage trains; these have moments. */
  readonly trained: number;
  /** Rank of the LoRA adapters. */
  readonly loraRank: number;
  /** Layers with adapters, as in `LoraOptions.targets`. Default q_proj and v_proj. */
  readonly loraTargets?: LoraOptions['targets'];
  /**
   * What the CF model takes beside its parameters; set `held` to 0 if the stage does not train it. Default: nothing.
   */
  readonly cf?: CfMemory;
  /** Number of tokens of a batch, all prompts together. */
  readonly tokens: number;
  /** Number of prompts of a batch. */
  readonly prompts: number;
  /**
   * Whether layers store only their input and recompute the rest in the backward pass; see `LlamaModel.checkpointing`.
   * Default false.
   */
  readonly checkpointing?: boolean;
  /** In which type the tape stores what the backward pass reads; see `Tape`. Default f32. */
  readonly activations?: ActivationStorage;
}

/** Predicted device memory in bytes, by purpose. */
export interface MemoryPlan {
  /** Frozen weights and the rotary table. */
  readonly weights: number;
  /** Values and gradients of all parameter groups, f32. */
  readonly parameters: number;
  /** Both moments of Adam for the groups that are trained, f32. */
  readonly optimizer: number;
  /** What the CF model keeps beside its parameters, such as LightGCN's graph. */
  readonly cf: number;
  /** Peak of everything between two optimizer updates, in the size classes of the step pool. */
  readonly step: number;
  /** Sum of all the above. */
  readonly total: number;
}

/**
 * Bytes that each layer keeps for its backward pass, and all bytes in f32 that it holds at its end (the last layer:
 * when its attention is done).
 */
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
 * What each layer keeps, depending on which of its modules have adapters. An adapted module keeps its input and its
 * low-rank activations. Nothing is kept before the first adapter, since no gradient flows there.
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
        (into > 0 ? kept(hiddenSize) + keptLow(into) : 0) + // normalized
        (attends ? kept(...rotated) + perToken(heads) : out * kept(queryWidth)) + // log-sum-exp stays f32
        keptLow(out),
    );
    const middle: boolean = attends || out > 0;
    feedForward.push(
      (middle ? kept(hiddenSize) : 0) +
        (wide > 0 ? kept(hiddenSize) + keptLow(wide) : 0) + // normalized
        (middle || wide > 0 ? kept(intermediateSize, intermediateSize) : 0) +
        (down > 0 ? kept(intermediateSize) : 0) + // SwiGLU's result
        keptLow(down),
    );
    // Unrotated query and key, and what only this layer's scope holds: results of o and down, the sum.
    const attended = perToken(hiddenSize, hiddenSize, queryWidth, keyWidth, ...rotated, heads) + low(into);
    const widths = [...Array<number>(5).fill(hiddenSize), ...Array<number>(3).fill(intermediateSize)];
    held.push(attended + (layer === layers - 1 ? 0 : perToken(...widths) + low(out + wide + down)));
    flows = middle || wide > 0 || down > 0;
  }
  return { attention, feedForward, held };
}

/**
 * Predicts the device memory of one training step.
 *
 * With LoRA on q and v, a layer keeps for its backward pass, per token: its input, the normalized input (which LoRA's A
 * reads), the low-rank activations of q and v, the rotated query and key, the value, the output and the log-sum-exp of
 * attention, the residual between attention and feed-forward, and both halves of SwiGLU. The feed-forward of the last
 * layer runs for the answers alone. At the peak, near the end of the forward pass, the running layer also holds
 * everything else that it has computed.
 *
 * With checkpointing a layer keeps only its input. The peak is then in the backward pass of the last layer but one: all
 * that this layer keeps, its output and the gradient of the output, and the gradients of SwiGLU's result and halves.
 *
 * With activations in f16 everything kept takes half, except the log-sum-exp. The running layer has its values in f32
 * too, and so does a checkpointed layer that is recomputed. The input of the first layer belongs to the caller and
 * stays in f32 beside its copy in f16.
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
