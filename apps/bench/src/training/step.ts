/**
 * A step of collaborative-filtering training as work for peers: the same values, rows and histories; loss and gradients
 * compared.
 */
import { type CfModel, CfTrainer } from '@crossgate/cf';
import { InterruptedError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import { readGroup } from '@crossgate/tensor';
import { median } from '../measure';
import type { Peer } from '../peers/peer';
import { type ComparedResult, compareWork } from '../peers/run';
import { startTimer } from '../peers/timer';
import type { HostArray, PeerWork, PreparedWork } from '../peers/work';
import {
  architecture,
  type CfCase,
  type CfMeasureOptions,
  caseName,
  caseShape,
  clicks,
  createModel,
  historyOf,
  withTrainer,
} from './cf';

/** One line of the result: milliseconds of a step here and in PyTorch; `ratio` is PyTorch's time over ours. */
export type CfStepResult = ComparedResult & { readonly dtype: 'f32'; readonly variant: 'only'; readonly ms: number };

/** A model that is ready to train. */
interface PreparedStep extends PreparedWork {
  /** Median milliseconds of a step of `epochs` short epochs. The first epoch, which compiles, is not timed. */
  time(epochs: number, signal?: AbortSignal): Promise<number>;
}

const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** Whole batches of a timed epoch: few where a step takes seconds on a processor. */
const timedSteps = ({ model, rows, batchSize }: CfCase) =>
  Math.min(model === 'sasrec' ? 2 : 8, Math.floor(rows / batchSize));

/** The case as work that PyTorch can do too. SASRec is without dropout, whose noise is not the same there. */
export function cfStepWork(of: CfCase): PeerWork<PreparedStep> {
  const { layers, blocks, heads } = architecture;
  const { learningRate, weightDecay } = of;
  return {
    id: caseName(of).replaceAll(' ', '-'),
    ...{ name: `${caseName(of)} step`, shape: caseShape(of), op: `${of.model}Step`, dtypes: ['f32'] },
    settings: { ...adam, learningRate, weightDecay, layers, blocks, heads },
    prepare: (device, seed) => new CfStep(device, of, seed),
  };
}

class CfStep implements PreparedStep {
  readonly inputs: Record<string, HostArray> = {};
  readonly #train: ReturnType<typeof clicks>;
  readonly #model: CfModel;

  constructor(
    readonly device: Device,
    readonly of: CfCase,
    readonly seed: number,
  ) {
    this.#train = clicks(of.rows, of, seed);
    this.#model = createModel(device, of, this.#train, seed, 0);
  }

  async check(): Promise<Record<string, HostArray>> {
    const { batchSize, model: kind } = this.of;
    for (const [name, { shape, data }] of await readGroup(this.#model.group)) {
      this.inputs[name] = { shape, data: Float32Array.from(data) };
    }
    const { user, item, label } = this.#train;
    this.inputs.users = integers(user.subarray(0, batchSize));
    this.inputs.items = integers(item.subarray(0, batchSize));
    this.inputs.labels = { shape: [batchSize], data: Float32Array.from(label.subarray(0, batchSize)) };
    if (kind === 'lightgcn') {
      const positive = (column: Int32Array) => column.filter((_, row) => label[row] === 1);
      this.inputs.edgeUsers = integers(positive(user));
      this.inputs.edgeItems = integers(positive(item));
    }
    if (kind === 'sasrec') {
      const { historyLength } = architecture;
      const data = new Int32Array(batchSize * historyLength);
      const history = historyOf(this.#train);
      for (let row = 0; row < batchSize; row++) {
        const items = history('train', row, historyLength);
        data.set(items, (row + 1) * historyLength - items.length);
      }
      this.inputs.histories = { shape: [batchSize, historyLength], data };
    }
    const { group } = this.#model;
    const outputs: Record<string, HostArray> = {};
    const { loss } = await this.#trained(1, (trainer) => trainer.runEpoch());
    outputs.loss = { shape: [1], data: Float32Array.of(loss) };
    for (const { name, shape, gradient } of group.parameters) {
      // A softmax does not feel what is added to all its logits: this gradient is rounding alone.
      if (name.endsWith('.key.bias')) continue;
      outputs[`gradient:${name}`] = { shape, data: new Float32Array(await this.device.recorder.read(gradient)) };
    }
    return outputs;
  }

  time(epochs: number, signal?: AbortSignal): Promise<number> {
    const steps = timedSteps(this.of);
    return this.#trained(steps, async (trainer) => {
      const samples: number[] = [];
      for (let epoch = 0; epoch <= epochs; epoch++) {
        if (signal?.aborted) throw new InterruptedError();
        const { seconds } = await trainer.runEpoch(signal);
        if (epoch > 0) samples.push((1000 * seconds) / steps);
      }
      return median(samples.sort((a, b) => a - b));
    });
  }

  release(): void {
    this.#model.release();
    this.device.memory.trim();
  }

  /** A trainer of the first `steps` batches, without validation. */
  #trained<T>(steps: number, body: (trainer: CfTrainer) => Promise<T>): Promise<T> {
    const rows = steps * this.of.batchSize;
    const { user, item, label } = this.#train;
    const train = { rows, user: user.subarray(0, rows), item: item.subarray(0, rows), label: label.subarray(0, rows) };
    const data = { train, valid: clicks(0, this.of, this.seed), history: historyOf(this.#train) };
    // Values of a best epoch are read back. Only the first epoch is one here, and it is not timed.
    let epochs = 0;
    const criterion = () => Promise.resolve(-epochs++);
    const settings = { ...this.of, patience: 100, warmupEpochs: 0, epochs: 100, seed: this.seed, criterion };
    return withTrainer(new CfTrainer(this.#model, data, settings), body);
  }
}

const integers = (data: Int32Array): HostArray => ({ shape: [data.length], data: Int32Array.from(data) });

/** Compares a step of the case with PyTorch's and measures both. */
export async function measureCfStep(
  device: Device,
  of: CfCase,
  pytorch: Peer,
  { epochs, seed, signal }: CfMeasureOptions,
): Promise<CfStepResult> {
  // A batch of ours is an epoch: a trainer starts and ends with one.
  const participant = (prepared: PreparedStep) => ({
    name: 'ours',
    time: async (calls: number) => {
      const timer = startTimer();
      const ms = calls * (await prepared.time(1, signal));
      return { ...timer(), ms };
    },
  });
  const options = { repeats: epochs, batchMilliseconds: 0, seed, signal };
  const [compared] = await compareWork(device, cfStepWork(of), { peers: [pytorch] }, participant, options);
  const { ms, ratios } = compared!;
  return { ...compared!, dtype: 'f32', ms: ms!, ratio: ratios.pytorch ?? null, variant: 'only' };
}
