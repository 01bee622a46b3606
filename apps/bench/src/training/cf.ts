/**
 * Epochs of collaborative filtering at the published settings and larger ones: interactions per second, and where time
 * goes.
 */
import { type CfModel, CfTrainer, LightGcn, MatrixFactorization, SasRec } from '@crossgate/cf';
import { InterruptedError } from '@crossgate/core';
import { type Device, Profiler } from '@crossgate/gpu';
import { median } from '../measure';

/** One training: a model, its settings and the size of what it learns from. */
export interface CfCase {
  readonly model: 'mf' | 'lightgcn' | 'sasrec';
  /** `published`, or what is larger or smaller than there. */
  readonly setting: string;
  readonly rows: number;
  readonly users: number;
  readonly items: number;
  readonly cfDim: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
}

/** Sizes of MovieLens-1M as the paper splits it. */
const published = { setting: 'published', rows: 33_891, users: 839, items: 3256, batchSize: 2048, weightDecay: 1e-4 };
const mf: CfCase = { ...published, model: 'mf', cfDim: 256, learningRate: 1e-3 };

/** What is measured: each model with CoLLM's settings, and how matrix factorization grows. */
export const cfCases: readonly CfCase[] = [
  mf,
  { ...published, model: 'lightgcn', cfDim: 64, learningRate: 1e-2 },
  { ...published, model: 'sasrec', cfDim: 64, learningRate: 1e-2, weightDecay: 1e-2 },
  ...[64, 128, 512].map((cfDim) => ({ ...mf, setting: `width ${cfDim}`, cfDim })),
  ...[4, 16].map((times) => ({ ...mf, setting: `${times}x interactions`, rows: times * mf.rows })),
  ...[4, 16].map((times) => ({
    ...mf,
    setting: `${times}x users and items`,
    users: times * mf.users,
    items: times * mf.items,
  })),
];

export const caseName = ({ model, setting }: CfCase) => `cf ${model} ${setting}`;
export const caseShape = ({ rows, users, items, cfDim, batchSize }: CfCase) =>
  `${rows} rows, ${users} users, ${items} items, width ${cfDim}, batch ${batchSize}`;

/** One line of the result. */
export interface CfResult {
  readonly name: string;
  readonly shape: string;
  readonly dtype: 'f32';
  readonly variant: 'only';
  /** Median milliseconds of an epoch on the wall clock, validation included. */
  readonly ms: number;
  readonly secondsPerEpoch: number;
  readonly interactionsPerSecond: number;
  /**
   * Share of an epoch's wall time in which no kernel ran, with every dispatch in a pass of its own; null without
   * timestamps.
   */
  readonly outsideKernels: number | null;
  /** None: peers are measured step by step (see step.ts). */
  readonly peers: Readonly<Record<string, never>>;
  readonly ratio: null;
}

export interface CfMeasureOptions {
  /** Timed epochs; the median counts. */
  readonly epochs: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Measures one more epoch, where it is given. It is detached afterwards. */
  readonly profiler?: Profiler | undefined;
  /** Rows that are scored after an epoch. Default 10,000, about as many as in MovieLens-1M. */
  readonly validRows?: number;
}

/** Generated clicks: users and items are drawn with a popularity that falls as 1 / rank, labels by chance. */
export function clicks(rows: number, { users, items }: CfCase, seed: number) {
  let state = seed >>> 0;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const popular = (count: number) => Math.min(count, Math.floor((count + 1) ** random()));
  const columns = { user: new Int32Array(rows), item: new Int32Array(rows), label: new Uint8Array(rows) };
  for (let row = 0; row < rows; row++) {
    columns.user[row] = popular(users);
    columns.item[row] = popular(items);
    columns.label[row] = random() < 0.5 ? 0 : 1;
  }
  return { rows, ...columns };
}

const allSeen = (count: number) => Uint8Array.from({ length: count + 1 }, (_, id) => (id === 0 ? 0 : 1));

/** What LightGCN and SASRec are, beside their width. */
export const architecture = { layers: 2, historyLength: 25, blocks: 2, heads: 1 } as const;

/** A history of 0 to 40 items for a row, cut as it is in training. */
export const historyOf =
  ({ item }: Pick<ReturnType<typeof clicks>, 'item'>) =>
  (_: string, row: number, limit: number) =>
    item.subarray(row % 97, (row % 97) + Math.min(limit, (row * 7) % 41));

/** The model of a case with seeded values. @param dropout of SASRec. */
export function createModel(
  device: Device,
  of: CfCase,
  train: ReturnType<typeof clicks>,
  seed: number,
  dropout = 0.2,
): CfModel {
  const shared = { userSeen: allSeen(of.users), itemSeen: allSeen(of.items), cfDim: of.cfDim, seed };
  switch (of.model) {
    case 'mf':
      return MatrixFactorization.create(device, shared);
    case 'lightgcn': {
      const positive = (column: Int32Array) => column.filter((_, row) => train.label[row] === 1);
      return LightGcn.create(device, {
        ...shared,
        layers: architecture.layers,
        graph: { user: positive(train.user), item: positive(train.item) },
      });
    }
    case 'sasrec':
      return SasRec.create(device, {
        ...{ ...shared, ...architecture, norm: 'pre', dropout },
      });
  }
}

/**
 * Trains a few epochs of a case. The first steps, which compile, are not timed.
 * @throws InterruptedError when aborted.
 */
export async function measureCf(device: Device, of: CfCase, options: CfMeasureOptions): Promise<CfResult> {
  const { epochs, seed, signal, profiler, validRows = 10_000 } = options;
  const train = clicks(of.rows, of, seed);
  const valid = clicks(validRows, of, seed + 1);
  const history = historyOf(train);
  const settings = { ...of, patience: epochs + 9, warmupEpochs: 0, epochs: epochs + 9, seed };
  const model = createModel(device, of, train, seed);
  try {
    // A whole batch and a last one of the length that the epochs end with: every pipeline is then compiled.
    const few = Math.min(of.rows, of.batchSize + (of.rows % of.batchSize));
    const first = { ...train, rows: few, user: train.user.slice(0, few), item: train.item.slice(0, few) };
    await withTrainer(new CfTrainer(model, { train: first, valid, history }, settings), (trainer) =>
      trainer.runEpoch(),
    );
    return await withTrainer(new CfTrainer(model, { train, valid, history }, settings), async (trainer) => {
      const seconds: number[] = [];
      const epoch = async () => {
        if (signal?.aborted) throw new InterruptedError();
        return (await trainer.runEpoch(signal)).seconds;
      };
      for (let i = 0; i < epochs; i++) seconds.push(await epoch());
      if (profiler) await profiled(device, profiler, epoch);
      const middle = median(seconds.sort((a, b) => a - b));
      return {
        ...{ name: caseName(of), shape: caseShape(of), dtype: 'f32', variant: 'only' },
        ...{ ms: 1000 * middle, secondsPerEpoch: middle, interactionsPerSecond: of.rows / middle },
        outsideKernels: await shareOutside(device, epoch),
        ...{ peers: {}, ratio: null },
      };
    });
  } finally {
    model.release();
    // Other shapes come next; what this one pooled is of no use to them.
    device.memory.trim();
  }
}

/** Runs `body` and frees what the trainer holds. */
export async function withTrainer<T>(trainer: CfTrainer, body: (trainer: CfTrainer) => Promise<T>): Promise<T> {
  try {
    return await body(trainer);
  } finally {
    trainer.release();
  }
}

/** Profiles an epoch. */
async function profiled(device: Device, profiler: Profiler, epoch: () => Promise<number>): Promise<void> {
  profiler.attach(device);
  try {
    await epoch();
    await device.recorder.synchronize();
  } finally {
    profiler.detach();
  }
}

/** The share of an epoch in which no kernel runs. Timestamps need a pass per dispatch, so the true share is smaller. */
async function shareOutside(device: Device, epoch: () => Promise<number>): Promise<number | null> {
  if (!device.capabilities.timestamps) return null;
  const profiler = new Profiler();
  profiler.attach(device);
  try {
    const seconds = await epoch();
    await device.recorder.synchronize();
    const kernels = profiler.rows().reduce((sum, { nanoseconds }) => sum + nanoseconds, 0) / 1e9;
    return Math.max(0, 1 - kernels / seconds);
  } finally {
    profiler.detach();
  }
}
