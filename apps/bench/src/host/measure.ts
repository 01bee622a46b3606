/** What the processor does for a dispatch: steps of a training on a device that runs nothing. */
import { InterruptedError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import { RandomStream } from '@crossgate/tensor';
import { median } from '../measure';
import type { ModelSizes } from '../random-model';
import { prepareLoraSteps } from '../training/model-steps';
import { captureDispatches } from './captured';

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

/** Microseconds of the processor's for one dispatch. */
export interface HostTime {
  /** Median over steps. */
  readonly median: number;
  /** Of the fastest step. */
  readonly fastest: number;
}

/** Figures of one kind of step. */
export interface HostResult {
  readonly name: string;
  readonly shape: string;
  /** Dispatches of a step. */
  readonly dispatches: number;
  /** Dispatches of a step for each layer of the model, those of the first and last counted in. */
  readonly perLayer: number;
  /** Bind groups that the timed steps made, for each step. */
  readonly bindGroups: number;
  /** Of a step: model, tape, launchers, memory, recording and submitting. */
  readonly step: HostTime;
  /** Of recording and submitting the same dispatches again. */
  readonly recording: HostTime;
  /** Of replaying a captured step, with the upload of its inputs. */
  readonly replay: HostTime;
}

/** Measures steps on prompts of such lengths. */
export async function measureHost(
  device: Device,
  lengths: PromptLengths,
  { steps, warmup, seed, signal }: { steps: number; warmup: number; seed: number; signal?: AbortSignal },
): Promise<HostResult> {
  const { recorder } = device;
  const training = prepareLoraSteps(device, hostModel, seed);
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
    const times = async (dispatches: number, record: () => void): Promise<HostTime> => {
      const samples: number[] = [];
      for (let i = 0; i < steps; i++) samples.push((await timed(record)) / dispatches);
      samples.sort((a, b) => a - b);
      return { median: median(samples), fastest: samples[0]! };
    };
    const train = () => training.run(next());
    for (let i = 0; i < warmup; i++) await timed(train);
    const dispatches = captureDispatches(device, train).length;
    const before = recorder.bindGroupCount;
    const step = await times(dispatches, train);
    const bindGroups = (recorder.bindGroupCount - before) / steps;
    // Their buffers are there until another step makes new ones.
    const recorded = captureDispatches(device, train);
    const recording = await times(dispatches, () => {
      for (const [kernel, args] of recorded) recorder.dispatch(kernel, args);
      recorder.flush();
    });
    // As many tokens in each, as a training pads them.
    const fixed = next();
    const again = () => training.replay(fixed);
    await timed(again);
    const replay = await times(dispatches, again);
    return {
      name: `lora step, ${lengths.name} lengths`,
      shape: `${hostModel.name}, ${prompts} prompts of ${least === most ? least : `${least} to ${most}`} tokens`,
      dispatches,
      perLayer: dispatches / hostModel.layers,
      bindGroups,
      step,
      recording,
      replay,
    };
  } finally {
    training.release();
    device.memory.trim();
  }
}
