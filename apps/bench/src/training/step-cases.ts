/** Training steps of well-known models: their shapes, and what one of them records, counted before anything runs. */
import type { Capabilities, Device } from '@crossgate/gpu';
import type { Precision } from '@crossgate/tensor';
import { countingDevice } from '../counting/device';
import { attentionPairs, type DispatchWork, workOf } from '../counting/work';
import type { ModelSizes } from '../random-model';
import type { WeightType } from './device-weights';
import { type ModelSteps, prepareLoraSteps, prepareWholeSteps } from './model-steps';

/** A step that is measured. */
export interface StepCase {
  readonly name: string;
  readonly sizes: ModelSizes;
  /** Prompts of a batch. */
  readonly sequences: number;
  /** Tokens of each. */
  readonly tokens: number;
  /** LoRA of rank 8 on queries and values with AdamW; or gradients of all weights, without an update. */
  readonly trains: 'lora' | 'all';
  /** How frozen matrices are kept; trained ones are f32. */
  readonly weights: WeightType;
  /** Whether layers are computed again in the backward pass. */
  readonly checkpointing: boolean;
  /** In which type linear layers multiply: f16 takes matrix units, and a loss scale. */
  readonly precision: Precision;
}

const smollm2: ModelSizes = {
  ...{ name: 'SmolLM2-135M', hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, keyValueHeads: 3 },
  vocabSize: 49_152,
};

/** LLaMA and Vicuna of 7 billion parameters. */
const llama7b: ModelSizes = {
  ...{ name: 'LLaMA-7B', hiddenSize: 4096, intermediateSize: 11_008, layers: 32, heads: 32, keyValueHeads: 32 },
  ...{ vocabSize: 32_000, tied: false },
};

const lora = {
  ...({ sequences: 3, tokens: 700, trains: 'lora', weights: 'f16' } as const),
  ...({ checkpointing: false, precision: 'f32' } as const),
};

/** The steps by the name that `training --step` takes. */
export const stepCases = {
  '7b': { name: '7b', sizes: llama7b, ...lora },
  smollm2: { name: 'smollm2', sizes: smollm2, ...lora },
  // As the Inferena benchmark has it: forward and backward pass of all weights, no update.
  inferena: {
    ...{ name: 'inferena', sizes: smollm2, sequences: 1, tokens: 128, trains: 'all' },
    ...{ weights: 'f32', checkpointing: false, precision: 'f32' },
  },
} as const satisfies Readonly<Record<string, StepCase>>;

/** Names of {@link stepCases}. */
export const stepNames = Object.keys(stepCases) as (keyof typeof stepCases)[];

export const lengthsOf = ({ sequences, tokens }: StepCase): number[] => new Array<number>(sequences).fill(tokens);

/** The shape as people read it. */
export function stepShape({ sizes, sequences, tokens, trains, checkpointing, precision }: StepCase): string {
  const { name, layers, hiddenSize } = sizes;
  const trained = trains === 'lora' ? 'LoRA of rank 8 on q and v' : 'all weights, no update';
  return [
    `${name} (${layers} layers of ${hiddenSize}), ${sequences} x ${tokens} tokens, ${trained}`,
    ...(checkpointing ? ['checkpointing'] : []),
    ...(precision === 'f16' ? ['products in f16'] : []),
  ].join(', ');
}

/** @throws OutOfMemoryError with the sizes. */
export function prepareStep(device: Device, of: StepCase, seed: number): ModelSteps {
  const { sizes, weights, checkpointing, precision } = of;
  if (of.trains === 'all') return prepareWholeSteps(device, sizes, seed);
  return prepareLoraSteps(device, sizes, seed, { weights, checkpointing, precision });
}

/** What a settled step records, and the memory of a training. */
export interface StepCount {
  readonly dispatches: readonly DispatchWork[];
  /** Bytes of weights, adapters, gradients and optimizer. */
  readonly persistentBytes: number;
  /** The most bytes that the device holds at once. */
  readonly peakBytes: number;
}

/**
 * Counts a step as an adapter of these capabilities would record it, without one.
 *
 * @throws OutOfMemoryError when a buffer exceeds the adapter's largest; InputError when an array exceeds a binding, and
 *   for products in f16 without matrix units.
 */
export function countStep(capabilities: Capabilities, of: StepCase): StepCount {
  const dispatches: DispatchWork[] = [];
  let counting = false;
  const lengths = lengthsOf(of);
  const pairs = attentionPairs(lengths);
  const device = countingDevice(capabilities, (declaration, args) => {
    if (counting) dispatches.push(workOf(declaration, args, pairs));
  });
  const steps = prepareStep(device, of, 1);
  steps.run(lengths);
  counting = true;
  steps.run(lengths);
  const { persistent, peak } = device.report();
  const persistentBytes = Object.values(persistent).reduce((sum, bytes) => sum + bytes, 0);
  return { dispatches, persistentBytes, peakBytes: peak.total };
}
