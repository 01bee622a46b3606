// How much device memory training takes, computed from shapes before anything is allocated.
import { sizeClass } from '@crossgate/gpu';
import type { LlamaConfig } from '@crossgate/llm';
import { weightBytes } from '@crossgate/llm';

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
  /** Peak of everything between two optimizer updates, in the size classes of the step pool. */
  readonly step: number;
  readonly total: number;
}

/**
 * Predicts the memory of one training step, in f32.
 *
 * A layer keeps for its backward pass, per token: its input, the normalised input (LoRA's A reads it), the low-rank
 * activations of q and v, the rotated query and key, the value, attention's output and log-sum-exp, the middle residual,
 * and both halves of SwiGLU. The last layer's feed-forward runs for the answers alone. At the peak, the end of the forward
 * pass, the last attention also holds its unrotated query and key.
 *
 * With checkpointing a layer keeps its input alone. The peak is then in the backward pass of the last layer but one: all of what
 * that layer keeps, its output and the gradient of it, and the gradients of SwiGLU's result and halves.
 */
export function planMemory(input: MemoryPlanInput): MemoryPlan {
  const { llm, tokens, prompts, loraRank } = input;
  const { hiddenSize, intermediateSize, layers, heads, keyValueHeads, headDim, vocabSize } = llm;
  const queryWidth = heads * headDim;
  const keyWidth = keyValueHeads * headDim;
  const perToken = (...widths: number[]) => widths.reduce((sum, width) => sum + sizeClass(4 * tokens * width), 0);
  const attention = perToken(
    hiddenSize, // the layer's input
    hiddenSize, // normalised
    loraRank,
    loraRank,
    queryWidth,
    queryWidth, // attention's output
    keyWidth,
    keyWidth,
    heads,
  );
  const feedForward = perToken(hiddenSize, intermediateSize, intermediateSize);
  const transient = perToken(queryWidth, keyWidth);
  const answers = 4 * prompts * (2 * vocabSize + 6 * hiddenSize + 4 * intermediateSize);
  const step =
    answers +
    (input.checkpointing
      ? Math.max(0, layers - 2) * perToken(hiddenSize) +
        attention +
        feedForward +
        perToken(hiddenSize, hiddenSize, intermediateSize, intermediateSize, intermediateSize)
      : layers * attention + (layers - 1) * feedForward + transient);
  const weights = (input.weightBytes ?? weightBytes(llm, 'f32')) + 4 * input.maxPositions * headDim;
  const parameters = 8 * input.parameters;
  const optimizer = 8 * input.trained;
  return { weights, parameters, optimizer, step, total: weights + parameters + optimizer + step };
}
