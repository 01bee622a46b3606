/** A language model on the GPU, as far as the command line needs one. */

import type { GenerateTextOptions, PeftAdapter, Tokenizer, WeightStorage } from '@crossgate/llm';
import type { OpenModel } from '@crossgate/llm/node';
import type { Precision } from '@crossgate/tensor';
import type { CommandContext } from '@crossgate/terminal';
import { sessionOf } from './session';

/** A model that computes. Close it to free its device. */
export interface RunnableModel {
  /** Logits after the last token, one per token of the vocabulary. */
  lastLogits(tokens: readonly number[]): Promise<Float32Array>;
  /** What follows the prompt, up to a stop string or an end-of-text token: pieces of text, then all new tokens. */
  generateText(
    tokenizer: Tokenizer,
    prompt: readonly number[],
    options: GenerateTextOptions,
  ): AsyncGenerator<string, number[]>;
  close(): Promise<void>;
}

/**
 * Opens a device and loads the weights.
 * @param adapter put on the model, where there is one
 * @param settings how matrices are kept on the device, and what linear layers multiply in
 * @throws NoAdapterError without a GPU; InputError for a precision that the GPU lacks, for damaged weights and a model that is too large; OutOfMemoryError with the sizes
 */
export async function openRunnableModel(
  files: OpenModel,
  context: CommandContext,
  adapter: PeftAdapter | undefined,
  { weights, precision: asked }: { readonly weights: WeightStorage; readonly precision: Precision },
): Promise<RunnableModel> {
  const [{ withPeftAdapter, withSavedWeights, generateText, lastLogits }, { loadModel }, { usablePrecision }] =
    await Promise.all([import('@crossgate/llm'), import('@crossgate/llm/node'), import('@crossgate/tensor')]);
  const session = sessionOf(context);
  try {
    const { progress, signal } = session;
    const settings = { weights, setting: '--weights', progress, signal };
    const source = adapter ? withSavedWeights(files.source, adapter) : files.source;
    const device = await session.device();
    const warn = (message: string) => context.log.warn(message);
    const precision = await usablePrecision(device, asked, '--precision', warn, files.config.headDim);
    const base = (await loadModel(device, source, settings)).with({ precision });
    const model = adapter ? withPeftAdapter(base, { ...adapter, saved: new Map() }) : base;
    return {
      lastLogits: (tokens) => lastLogits(model, tokens),
      generateText: (tokenizer, prompt, options) => generateText(model, tokenizer, prompt, options),
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}
