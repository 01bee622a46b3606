/** A language model on the GPU, as far as the command line needs one. */
import type { GenerateTextOptions, PeftAdapter, Tokenizer, WeightStorage } from '@crossgate/llm';
import type { OpenModel } from '@crossgate/llm/node';
import type { CommandContext } from './context';
import { throwIfInterrupted } from './errors';
import { openGpu } from './gpu';

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
 * @param weights how matrices are kept on the device
 * @throws NoAdapterError without a GPU; InputError for damaged weights; OutOfMemoryError with the sizes
 */
export async function openRunnableModel(
  files: OpenModel,
  context: CommandContext,
  adapter: PeftAdapter | undefined,
  weights: WeightStorage,
): Promise<RunnableModel> {
  const { addPeftAdapter, generateText, LlamaModel, lastLogits, weightBytes } = await import('@crossgate/llm');
  const device = await openGpu(context.options.adapter, context.log);
  try {
    const { config, tensors } = files.source;
    const total = weightBytes(config, weights, (name) => tensors.get(name)!.dtype);
    const task = context.progress.start('loading weights', total, 'bytes');
    const model = await LlamaModel.load(device, files.source, {
      weights,
      onProgress: (loaded) => {
        throwIfInterrupted(context.io.signal);
        task.update(loaded);
      },
    });
    task.finish();
    if (adapter) addPeftAdapter(model, adapter);
    return {
      lastLogits: (tokens) => lastLogits(model, tokens),
      generateText: (tokenizer, prompt, options) => generateText(model, tokenizer, prompt, options),
      async close() {
        device.destroy();
      },
    };
  } catch (error) {
    device.destroy();
    throw error;
  }
}
