/** Loads a language model to the device of this machine, whose memory counts where nothing else limits it. */
import type { Device } from '@crossgate/gpu';
import type { WeightSource } from '../formats/source';
import type { LlamaModel } from '../model/llama';
import { type LoadModelOptions, loadModel as load } from '../model/load-model';

/**
 * Loads a model to the device as `loadModel` of `@crossgate/llm` does. A software adapter has the memory that this process
 * can have; see `deviceBudget` of `@crossgate/gpu/node`.
 *
 * @throws InputError before any weight is read when the model is too large, and for damaged weights; InterruptedError
 * on Ctrl-C; OutOfMemoryError with the sizes
 */
export async function loadModel(
  device: Device,
  source: WeightSource,
  options: Omit<LoadModelOptions, 'budget'>,
): Promise<LlamaModel> {
  // Loaded here, so that programs which only read models start without loading Dawn.
  const { deviceBudget } = await import('@crossgate/gpu/node');
  return load(device, source, { ...options, budget: deviceBudget(device) });
}
