/** A language model on the GPU, as far as the command line needs one. */
import type { OpenModel } from '@crossgate/llm/node';
import type { CommandContext } from './context';

/** How tokens are chosen. */
export interface GenerateOptions {
  readonly maxNewTokens: number;
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** A model that computes. Close it to free its device. */
export interface RunnableModel {
  /** Logits after the last token, one per token of the vocabulary. */
  lastLogits(tokens: readonly number[]): Promise<Float32Array>;
  /** New tokens after the prompt, up to and without an end-of-text token. */
  generate(prompt: readonly number[], options: GenerateOptions): Promise<number[]>;
  close(): Promise<void>;
}

/** Opens a device and loads the weights. */
export async function openRunnableModel(_files: OpenModel, _context: CommandContext): Promise<RunnableModel> {
  throw new Error('running a language model is not wired yet');
}
