/** Loads a language model to the device: checks that it fits, shows progress, stops when the user asks. */
import { InputError, type Progress, throwIfInterrupted } from '@crossgate/core';
import { type Device, formatBytes } from '@crossgate/gpu';
import type { WeightSource } from '../formats/source';
import { LlamaModel } from './llama';
import { type WeightStorage, weightBytes } from './load-weights';
import { rotaryRows } from './rotation';

/** Ways to store weights in less memory, the most exact first. */
export const smallerWeights = ['f16', 'int8', 'int4'] as const satisfies readonly WeightStorage[];

/** What a model may take on a device. */
export interface ModelBudget {
  /** Bytes; infinite where nothing limits it. */
  readonly bytes: number;
  /** The same for a message, after the size, such as ` that this machine has for it`. */
  readonly origin: string;
}

/** Settings of {@link loadModel}. */
export interface LoadModelOptions {
  /** How matrices are stored on the device. */
  readonly weights: WeightStorage;
  /** The setting by which the user chooses `weights`, for messages: `--weights`, `llm.weights`. */
  readonly setting: string;
  /** Shows a task "loading weights", in bytes. */
  readonly progress: Progress;
  /** Aborting it ends the loading after the current chunk. */
  readonly signal: AbortSignal;
  /** What the model may take. Default: the device's budget for memory, where one is set. */
  readonly budget?: ModelBudget | undefined;
}

type Described = Pick<WeightSource, 'config' | 'tensors'>;

/**
 * Bytes that a model takes on the device once it is loaded: its weights and the rotary table. Only shapes and stored
 * types are read.
 */
export function loadedBytes({ config, tensors }: Described, weights: WeightStorage): number {
  const angles = 4 * rotaryRows(config) * config.headDim;
  return weightBytes(config, weights, (name) => tensors.get(name)?.dtype ?? 'F32') + angles;
}

/**
 * Checks that a model fits into the memory budget, before any weight is read.
 *
 * @param setting the setting by which the user chooses `weights`, for messages.
 * @returns bytes of the model on the device
 * @throws InputError when they exceed the budget, with what other weights would take and how to choose them
 */
export function checkModelFits(
  source: Described,
  weights: WeightStorage,
  setting: string,
  { bytes, origin }: ModelBudget,
): number {
  const total = loadedBytes(source, weights);
  if (total <= bytes) return total;
  const others = smallerWeights
    .map((storage) => ({ storage, size: loadedBytes(source, storage) }))
    .filter(({ size }) => size < total);
  const sizes = others.map(({ storage, size }) => `${storage} ${formatBytes(size)}`).join(', ');
  const fitting = others.find(({ size }) => size <= bytes);
  throw new InputError(
    `the model would take ${formatBytes(total)} on the device (${setting} ${weights}) of ${formatBytes(bytes)}${origin}; ` +
      `${sizes && `other weights: ${sizes}; `}` +
      `${fitting ? `use ${setting} ${fitting.storage}` : 'take a smaller model'}, or raise CROSSGATE_MEMORY_BUDGET`,
    { code: 'memory.exceeded' },
  );
}

/**
 * Loads a model to the device.
 *
 * @throws InputError before any weight is read when the model is too large, and for damaged weights; InterruptedError
 * on Ctrl-C; OutOfMemoryError with the sizes
 */
export async function loadModel(
  device: Device,
  source: WeightSource,
  { weights, setting, progress, signal, budget = { bytes: device.memory.budget, origin: '' } }: LoadModelOptions,
): Promise<LlamaModel> {
  const total = checkModelFits(source, weights, setting, budget);
  const task = progress.start('loading weights', total, 'bytes');
  try {
    return await LlamaModel.load(device, source, {
      weights,
      onProgress: (loaded) => {
        throwIfInterrupted(signal);
        task.update(loaded);
      },
    });
  } finally {
    task.finish();
  }
}
