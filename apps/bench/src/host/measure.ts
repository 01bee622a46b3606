/** What the processor does for a dispatch: steps of a training on a device that runs nothing. */
import { InterruptedError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import { RandomStream } from '@crossgate/tensor';
import { median } from '../measure';
import type { ModelSizes } from '../random-model';
import { captureStep, replayStep } from './captured';
import { prepareLoraSteps } from './lora-steps';

/** How long the prompts of a step are. */
export interface PromptLengths {
  readonly name: 'equal' | 'varying';
  /** Fewest tokens of a prompt. */
  readonly least: number;
  /** Most tokens of a prompt. */
  readonly most: number;
}

/** Prompts of a step. */
const prompts = 3;

/** Lengths that are measured: always the same, and anywhere in an octave. */
export const promptLengths: readonly PromptLengths[] = [
  { name: 'equal', least: 48, most: 48 },
  { name: 'varying', least: 32, most: 64 },
];

/** Many narrow layers: what they compute does not matter here. */
export const hostModel: ModelSizes = {
  ...{ name: '30 layers of width 64', hiddenSize: 64, intermediateSize: 172, layers: 30 },
  ...{ heads: 8, keyValueHeads: 8, vocabSize: 512 },
};

/** Figures of one kind of step. Times are microseconds of the processor's for one dispatch. */
export interface HostResult {
  readonly name: string;
  readonly shape: string;
  /** Dispatches of a step. */
  readonly dispatches: number;
  /** Dispatches of a step for each layer of the model, those of the first and last counted in. */
  readonly perLayer: number;
  /** Bind groups that the timed steps made, for each step. */
  readonly bindGroups: number;
  /** Median over steps: model, tape, launchers, memory, recording and submitting. */
  readonly microseconds: number;
  /** The fastest step. */
  readonly fastest: number;
  /** Median over steps of the calls to Dawn alone, the same ones, made again without what leads to them. */
  readonly calls: number;
  /** The fastest of these. */
  readonly fastestCalls: number;
}

/** Measures steps on prompts of such lengths. */
export async function measureHost(
  device: Device,
  lengths: PromptLengths,
  { steps, warmup, seed, signal }: { steps: number; warmup: number; seed: number; signal?: AbortSignal },
): Promise<HostResult> {
  const { recorder } = device;
  const training = await prepareLoraSteps(device, hostModel, seed);
  try {
    const random = new RandomStream(seed, 'prompt lengths');
    const { least, most } = lengths;
    const next = () => Array.from({ length: prompts }, () => least + Math.floor((most - least + 1) * random.uniform()));
    /**
     * Microseconds of processor time, which others on the machine change less than the wall clock; the device is idle
     * before and after.
     */
    const timed = async (record: () => void): Promise<number> => {
      if (signal?.aborted) throw new InterruptedError();
      const before = process.cpuUsage();
      record();
      const { user, system } = process.cpuUsage(before);
      await recorder.synchronize();
      return user + system;
    };
    for (let i = 0; i < warmup; i++) await timed(() => training.run(next()));
    const before = { dispatches: recorder.dispatchCount, groups: recorder.bindGroupCount };
    const own: number[] = [];
    const again: number[] = [];
    for (let i = 0; i < steps; i++) {
      const prompts = next();
      own.push(await timed(() => training.run(prompts)));
    }
    const dispatches = (recorder.dispatchCount - before.dispatches) / steps;
    const bindGroups = (recorder.bindGroupCount - before.groups) / steps;
    const captured = captureStep(device, () => training.run(next()));
    for (let i = 0; i < steps; i++) again.push(await timed(() => replayStep(device, captured)));
    const replayed = captured.reduce((sum, { length }) => sum + length, 0);
    own.sort((a, b) => a - b);
    again.sort((a, b) => a - b);
    return {
      name: `lora step, ${lengths.name} lengths`,
      shape: `${hostModel.name}, ${prompts} prompts of ${least === most ? least : `${least} to ${most}`} tokens`,
      dispatches,
      perLayer: dispatches / hostModel.layers,
      bindGroups,
      microseconds: median(own) / dispatches,
      fastest: own[0]! / dispatches,
      calls: median(again) / replayed,
      fastestCalls: again[0]! / replayed,
    };
  } finally {
    training.release();
    device.memory.trim();
  }
}
