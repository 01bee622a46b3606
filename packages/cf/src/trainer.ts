/** Trains a CF model on clicks: one of the losses, Adam with coupled L2, early stopping on validation AUC. */
import { alone, type Collective, gatherValues, shareOf, someRank, valuesOfRankZero } from '@crossgate/collective';
import { InputError, InterruptedError } from '@crossgate/core';
import { auc, uauc } from '@crossgate/eval';
import type { BufferSlice, Device, Program } from '@crossgate/gpu';
import type { HostState, Tensor } from '@crossgate/tensor';
import {
  Adam,
  firstNonFinite,
  GradientReduction,
  learningRateAt,
  NonFiniteLossError,
  readGroup,
  readOptimizer,
  Tape,
  writeGroup,
  writeOptimizer,
} from '@crossgate/tensor';
import type { CfModel } from './backend';
import { type DeviceBatch, DeviceBatches, epochOrder } from './device-batches';
import { type CfProgress, isBest, stopReason } from './early-stopping';
import { countLeftOut, isSampled, learnedRows } from './learned-rows';
import { type CfLoss, cfLoss, lossParts } from './losses';
import { noNegatives } from './negative-pool';
import { partOfSequences, sequenceLoss, sequenceLossName, TrainSequences } from './sequence-loss';
import { type CfTrainerOptions, type Criterion, checkOptions, criterionOf } from './trainer-options';
import { type CfTrainingData, type ClickColumns, checkRows } from './training-data';
import { type CfTrainingSettings, type CfTrainingState, readProgress, trainingMetadata } from './training-state';

/** Numbers of an epoch that has ended. */
export interface CfEpochReport {
  /** Number of the epoch, from 1. */
  readonly epoch: number;
  /** Mean loss over the training rows, each computed in its own step; over positions with `sequence-bce`. */
  readonly loss: number;
  /** AUC of the validation rows, 0 … 1. Null without validation rows of both classes. */
  readonly validAuc: number | null;
  /**
   * UAUC of the validation rows, 0 … 1: the mean AUC over users with rows of both classes. Null without any such user.
   */
  readonly validUauc: number | null;
  /** Value of `CfTrainerOptions.criterion`; absent when it is no function. */
  readonly criterion?: number;
  /** Best criterion so far or, without a criterion, best validation AUC; null where no epoch is chosen. */
  readonly bestAuc: number | null;
  /** Epoch of {@link bestAuc}, from 1. */
  readonly bestEpoch: number;
  /** Wall time of the epoch in seconds, validation included. */
  readonly seconds: number;
}

/** How far a training came, and why it ended. */
export interface CfTrainingResult extends CfProgress {
  /** `epochs`: all of them are done. `patience`: no better epoch came for that long. */
  readonly stopped: 'epochs' | 'patience';
}

/** What a caller can see and do while {@link CfTrainer.run} trains. */
export interface CfTrainHooks {
  /** Called after every epoch. Training waits for it, so it may save {@link CfTrainer.state}. */
  onEpoch?(report: CfEpochReport): void | Promise<void>;
  /**
   * Aborting it ends the training between two steps and throws its reason. Continue from the last saved state. Several
   * ranks end together, before the next epoch: the others throw an InterruptedError.
   */
  readonly signal?: AbortSignal;
}

/**
 * Trains the tables of a model in place.
 *
 * ```ts
 * const trainer = new CfTrainer(model, dataset.splits, options);
 * await trainer.run({ onEpoch: (report) => console.log(report) }); // the model now holds the best epoch's values
 * trainer.release();
 * ```
 * The train rows live in device memory, and the device makes the batches. The host waits for it only at the end of an
 * epoch, for the losses and the validation scores.
 */
export class CfTrainer {
  readonly #device: Device;
  readonly #adam: Adam;
  readonly #losses: BufferSlice;
  readonly #loss: CfLoss | typeof sequenceLossName;
  /** Only of a loss that learns from sequences. */
  readonly #sequences: TrainSequences | null;
  /** The train rows that the loss learns from. */
  readonly #rows: Int32Array;
  /** Number of users who like every seen item: a loss with sampled negatives learns nothing from them. */
  readonly usersLeftOut: number;
  readonly #batches: DeviceBatches;
  readonly #criterion: Criterion | 'auc';
  readonly #collective: Collective;
  readonly #reduction: GradientReduction;
  /** The steps of an epoch by the position of their first row, where every epoch has the same. */
  readonly #programs = new Map<number, Program<number>>();
  /** Whether steps are captured: until one is found that uses the host. */
  #captures: boolean;
  /** Number of the step that is recorded or replayed. */
  readonly #counter = { value: 0 };
  #progress: CfProgress = { epoch: 0, steps: 0, bestEpoch: 0, bestAuc: null };
  #best: HostState | null = null;

  /**
   * @throws InputError for options out of range, an empty train split, train rows that the model counts as unseen, and
   * a model that reads histories without any, and validation rows of one class without a criterion; OutOfMemoryError.
   * Nothing is left allocated then.
   */
  constructor(
    /** The model that is trained. It belongs to the caller. */
    readonly model: CfModel,
    /** The rows to train and to validate on. */
    readonly data: CfTrainingData,
    /** The settings of the training. */
    readonly options: CfTrainerOptions,
  ) {
    checkOptions(options);
    this.#criterion = criterionOf(data.valid, options.criterion);
    checkRows(model, data.train);
    if (model.historyLength > 0 && !data.history) throw new InputError(`${model.name} needs histories: data.history`);
    this.#loss = options.loss ?? 'bce';
    const { label } = data.train;
    this.#sequences = this.#loss === sequenceLossName ? new TrainSequences(model, data, options.seed) : null;
    if (this.#sequences === null && this.#loss !== 'bce' && !label.includes(1))
      throw new InputError(`the train split has no positive rows, which ${this.#loss} needs`, {
        code: 'config.value',
        place: 'cf.loss',
        fix: 'learn from labels (bce), or count more as a positive, as by data.threshold',
      });
    this.#rows = this.#sequences?.rows ?? learnedRows(model, data.train, this.#loss);
    this.usersLeftOut = this.#sequences?.usersLeftOut ?? countLeftOut(data.train, this.#rows, this.#loss);
    if (this.#rows.length === 0) throw noNegatives(this.#loss, model.itemSeen.filter((flag) => flag === 1).length);
    this.#device = model.group.device;
    this.#collective = options.collective ?? alone;
    this.#reduction = new GradientReduction([model.group], this.#collective);
    const { learningRate, weightDecay, optimizer = 'adam', betas: [beta1, beta2] = [0.9, 0.999] } = options;
    this.#batches = trainBatches(model, data.train, this.#rows, this.#loss, options);
    let losses: BufferSlice | null = null;
    try {
      const values = this.#sequences ? 2 * this.#sequences.tokens : lossParts(this.#loss as CfLoss) * this.#rows.length;
      losses = this.#device.memory.persistent(4 * values, 'losses');
      this.#adam = new Adam([model.group], { kind: optimizer, learningRate, weightDecay, beta1, beta2 });
    } catch (error) {
      this.#batches.release();
      if (losses) this.#device.memory.free(losses);
      throw error;
    }
    this.#losses = losses;
    this.#captures = this.#collective.size === 1 && this.#batches.length <= mostCaptured;
  }

  /** How far the training has come. */
  get progress(): CfProgress {
    return this.#progress;
  }

  /** Seconds spent on sums between ranks, with waiting for slower ones. */
  get communicationSeconds(): number {
    return this.#reduction.seconds;
  }

  /** Why no further epoch follows; null while one does. */
  get stopped(): 'epochs' | 'patience' | null {
    return stopReason(this.#progress, this.options);
  }

  /**
   * Trains to the end and gives the model the values of the best epoch. Continues from a restored state.
   *
   * @throws the reason of the signal when it is aborted; InterruptedError when that of another rank is; NonFiniteLossError
   * when a loss or a score is no longer finite. A state saved after the epoch before is still good.
   */
  async run(hooks: CfTrainHooks = {}): Promise<CfTrainingResult> {
    while (this.stopped === null) {
      const report = await this.runEpoch(hooks.signal);
      await hooks.onEpoch?.(report);
    }
    this.useBest();
    return { ...this.#progress, stopped: this.stopped! };
  }

  /** Makes one pass over the training rows, then validates. Throws as {@link run} does. */
  async runEpoch(signal?: AbortSignal): Promise<CfEpochReport> {
    const start = performance.now();
    const { valid, history } = this.data;
    const epoch = this.#progress.epoch + 1;
    const isShared = this.#collective.size > 1;
    // A rank that ended alone would leave the others waiting for its gradients.
    if (isShared && (await someRank(this.#collective, signal?.aborted ?? false))) {
      signal?.throwIfAborted();
      throw new InterruptedError();
    }
    this.model.group.trainable = true;
    const { profiler } = this.#device.recorder;
    using _ = profiler?.span('epoch');
    let done = 0;
    try {
      let steps = 0;
      for (const batch of this.#batches.epoch(epoch - 1)) {
        if (!isShared) signal?.throwIfAborted();
        using __ = profiler?.step('cf');
        done += await this.#step(batch, epoch - 1, done, isShared || isSubmitted(++steps));
      }
    } finally {
      this.model.group.trainable = false;
    }
    // Scoring is recorded while the epoch still runs, and both are waited for at once.
    const { user, label } = valid;
    const waiting = profiler?.span('wait');
    const [lossBytes, ownScore] = await Promise.all([
      this.#device.recorder.read(this.#losses),
      this.model.scorePairs(user, valid.item, history && ((row, limit) => history('valid', row, limit))),
    ]);
    waiting?.[Symbol.dispose]();
    const score = await valuesOfRankZero(this.#collective, ownScore);
    const losses = new Float32Array(lossBytes).subarray(0, done);
    const sums = await gatherValues(this.#collective, Float64Array.of(losses.reduce((sum, value) => sum + value, 0)));
    const loss = sums.reduce((sum, value) => sum + value, 0) / (this.#sequences?.tokens ?? this.#rows.length);
    const { learningRate } = this.options;
    if (!Number.isFinite(loss)) {
      throw new NonFiniteLossError(`epoch ${epoch}: the loss is ${loss}; lower learningRate (now ${learningRate})`);
    }
    // The last update of an epoch shows in no loss of it.
    const wrong = score.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) {
      throw new NonFiniteLossError(
        `epoch ${epoch}: a validation score is ${wrong}; lower learningRate (now ${learningRate})`,
      );
    }
    const validAuc = valid.rows > 0 ? auc(label, score) : null;
    const criterion = typeof this.#criterion === 'function' ? await this.#chosenBy(this.#criterion) : undefined;
    if (criterion === null) throw new InputError(`epoch ${epoch}: the criterion that chooses the epoch is not defined`);
    const value = criterion ?? (this.#criterion === 'auc' ? validAuc : null);
    const best = isBest(this.#progress, value);
    if (best) this.#best = await readGroup(this.model.group);
    this.#progress = {
      epoch,
      steps: this.#adam.steps,
      bestEpoch: best ? epoch : this.#progress.bestEpoch,
      bestAuc: best ? value : this.#progress.bestAuc,
    };
    return {
      epoch,
      loss,
      validAuc,
      validUauc: valid.rows > 0 ? uauc({ user, label, score }).uauc : null,
      ...(criterion !== undefined && { criterion }),
      bestAuc: this.#progress.bestAuc,
      bestEpoch: this.#progress.bestEpoch,
      seconds: (performance.now() - start) / 1000,
    };
  }

  /** What the criterion of rank 0 gives; null where it is not defined. */
  async #chosenBy(criterion: Exclude<Criterion, 'last'>): Promise<number | null> {
    const own = Float64Array.of((await criterion(this.model)) ?? Number.NaN);
    const [value = Number.NaN] = await valuesOfRankZero(this.#collective, own);
    return Number.isNaN(value) ? null : value;
  }

  /** Gives the model the values of the best epoch so far. A later {@link runEpoch} would start from them. */
  useBest(): void {
    if (this.#best) writeGroup(this.model.group, this.#best, 'the best epoch');
  }

  /**
   * Everything needed to resume with the same bits: values, moments, the best values, and the progress. Take it between
   * epochs, e.g. in `onEpoch`: after {@link run} the model holds the best values instead of the last.
   *
   * @throws NonFiniteLossError naming a tensor with a value that is not finite, so that it never replaces a good state.
   */
  async state(): Promise<CfTrainingState> {
    const tensors: HostState = new Map();
    const add = (prefix: string, state: HostState) => {
      for (const [name, value] of state) tensors.set(`${prefix}.${name}`, value);
    };
    add('model', await readGroup(this.model.group));
    add('optimizer', await readOptimizer(this.#adam));
    if (this.#best) add('best', this.#best);
    const wrong = firstNonFinite(tensors);
    if (wrong !== null) {
      const { learningRate } = this.options;
      throw new NonFiniteLossError(
        `"${wrong}" holds a value that is not finite; lower learningRate (now ${learningRate})`,
      );
    }
    return { tensors, metadata: trainingMetadata(this.#progress, this.#settings()) };
  }

  /**
   * Returns to a saved state.
   *
   * @param source what the state was read from, for messages.
   * @throws InputError when it is damaged or belongs to other settings or tables; then nothing is changed.
   */
  restore(state: CfTrainingState, source: string): void {
    const progress = readProgress(state, this.#settings(), source);
    const part = (prefix: string, entries: readonly { name: string; shape: readonly number[] }[]): HostState =>
      new Map(
        entries.map(({ name, shape }) => {
          const found = state.tensors.get(`${prefix}.${name}`);
          if (found?.shape.join() !== shape.join()) {
            const is = found ? `has shape [${found.shape.join(', ')}]` : 'is missing';
            throw new InputError(`${source}: "${prefix}.${name}" ${is}, expected [${shape.join(', ')}]`);
          }
          return [name, found];
        }),
      );
    const { parameters } = this.model.group;
    const values = part('model', parameters);
    const moments = part('optimizer', this.#adam.state());
    const best = progress.bestEpoch > 0 ? part('best', parameters) : null;
    writeGroup(this.model.group, values, source);
    writeOptimizer(this.#adam, moments, source);
    this.#adam.steps = progress.steps;
    this.#best = best;
    this.#progress = progress;
  }

  /** Frees the memory of the optimizer, the train rows and the losses. The model stays. */
  release(): void {
    for (const program of this.#programs.values()) program[Symbol.dispose]();
    this.#adam.release();
    this.#batches.release();
    this.#device.memory.free(this.#losses);
  }

  /**
   * One update; with several ranks it waits for the sum of their gradients. The losses of this one's share are kept on the
   * device behind the `done` losses of this epoch. @returns their number.
   */
  async #step(batch: DeviceBatch, epoch: number, done: number, submit: boolean): Promise<number> {
    const { profiler } = this.#device.recorder;
    this.#counter.value = this.#adam.steps;
    const program = this.#programs.get(batch.first);
    if (program?.isLive) {
      using _ = profiler?.span('record');
      this.#adam.replayStep(program, this.#learningRate(), undefined, submit);
      return program.result;
    }
    this.#programs.delete(batch.first);
    const building = profiler?.span('batch');
    const lossOf = batch.rows > 0 ? this.#lossOf(batch, epoch) : () => [];
    building?.[Symbol.dispose]();
    if (this.#collective.size > 1) return this.#sharedStep(lossOf, done, submit);
    using _ = profiler?.span('record');
    const record = (): number => {
      using __ = this.#device.step(submit);
      this.model.group.zeroGradients();
      using tape = new Tape();
      const written = this.#keepLosses(tape.record(lossOf), done);
      tape.backward();
      this.#adam.step(this.#learningRate());
      return written;
    };
    if (!this.#captures) return record();
    const captured = this.#device.capture(record);
    // As a model does that takes histories from it: then no step can be replayed. A program that ended since memory was
    // short is made again in the next epoch.
    this.#captures = !captured.usesHost;
    if (captured.isLive) this.#programs.set(batch.first, captured);
    return captured.result;
  }

  /** A step whose gradients are summed over ranks part by part, as they become final. */
  async #sharedStep(lossOf: () => Tensor[], done: number, submit: boolean): Promise<number> {
    const { profiler } = this.#device.recorder;
    using recording = profiler?.span('record');
    using _ = this.#device.step(submit);
    this.model.group.zeroGradients();
    using tape = new Tape();
    const written = this.#keepLosses(tape.record(lossOf), done);
    recording?.[Symbol.dispose]();
    using __ = profiler?.span('sum');
    await this.#reduction.backward(tape);
    this.#adam.step(this.#learningRate());
    return written;
  }

  /** Copies losses behind the `done` first of the epoch. @returns their number */
  #keepLosses(parts: readonly Tensor[], done: number): number {
    const { storage, offset } = this.#losses;
    let written = done;
    for (const { slice, shape } of parts) {
      const count = shape[0]!;
      this.#device.recorder.copy(slice, { storage, offset: offset + 4 * written, size: 4 * count });
      written += count;
    }
    return written - done;
  }

  /** What computes the losses of a batch. */
  #lossOf({ rows, first, whole, users, items, labels, negatives }: DeviceBatch, epoch: number): () => Tensor[] {
    const { historyLength } = this.model;
    const { seed } = this.options;
    const dropout = { seed, counter: this.#counter };
    const trainRows = ({ first, rows }: DeviceBatch['whole']) =>
      Array.from(epochOrder(this.#rows.length, seed, epoch, first, rows), (at) => this.#rows[at]!);
    const ahead = first - whole.first;
    if (this.#sequences) {
      const { model } = this.#sequences;
      const batch = this.#sequences.batch(trainRows(whole), `${epoch}.${whole.first}`);
      const { before, ...part } = partOfSequences(batch, shareOf(whole.rows, this.#collective));
      return () => sequenceLoss(model, { ...part, dropout: { ...dropout, before } });
    }
    // Those in front of this rank's share too: where its dropout begins depends on them.
    const histories =
      historyLength === 0
        ? []
        : trainRows({ first: whole.first, rows: ahead + rows }).map((row) =>
            this.data.history!('train', row, historyLength),
          );
    const batch = {
      users: {
        users,
        ...(historyLength > 0 && { histories: histories.slice(ahead) }),
        dropout: { ...dropout, before: histories.slice(0, ahead) },
      },
      ...{ items, labels, negatives, meanOver: whole.rows },
    };
    return () => cfLoss(this.model, this.#loss as CfLoss, batch);
  }

  /** Of the next step. */
  #learningRate(): number {
    const totalSteps = this.options.epochs * this.#batches.length;
    return learningRateAt(this.#adam.steps, { ...this.options, totalSteps });
  }

  /** What must not change when a training resumes. Patience may, and without a cosine also the number of epochs. */
  #settings(): CfTrainingSettings {
    const { seed, batchSize, learningRate, weightDecay, optimizer = 'adam', betas, epochs } = this.options;
    const { warmupSteps = 0, warmupStart = 0, schedule = 'constant', minLearningRate = 0 } = this.options;
    return {
      ...{ model: this.model.name, seed, batchSize, learningRate, weightDecay, trainRows: this.data.train.rows },
      // Where order and negatives come from: a state of the time when the host made them would continue differently.
      sampling: 'device',
      // Only what differs from the default, since older states do not name these.
      ...(this.#loss !== 'bce' && { loss: this.#loss }),
      ...(this.usersLeftOut > 0 && { usersLeftOut: this.usersLeftOut }),
      ...(optimizer !== 'adam' && { optimizer }),
      ...(warmupSteps > 0 && { warmupSteps, warmupStart }),
      ...(schedule !== 'constant' && { schedule, minLearningRate, epochs }),
      ...(betas && betas.join() !== '0.9,0.999' && { betas: betas.join() }),
    };
  }
}

/**
 * Most steps of an epoch whose programs are kept: at most 10 MB of the heap. Measured on 400 steps, a program takes 10
 * KB (MF with BCE, 11 commands) to 25 KB (LightGCN with BPR, 46 commands); 1,024 would take 10 to 26 MB.
 */
const mostCaptured = 400;

/**
 * Whether the steps of an epoch are submitted with the nth: soon at first, so that the device has work, then many at
 * once.
 */
function isSubmitted(step: number): boolean {
  return Number.isInteger(Math.log2(step)) || step % 16 === 0;
}

/** The rows that the loss learns from, on the device. */
function trainBatches(
  model: CfModel,
  train: ClickColumns,
  rows: Int32Array,
  loss: CfLoss | typeof sequenceLossName,
  { batchSize, seed, collective = alone }: CfTrainerOptions,
): DeviceBatches {
  const { user, item, label } = train;
  const columns = {
    user: Uint32Array.from(rows, (row) => user[row]!),
    item: Uint32Array.from(rows, (row) => item[row]!),
    label: Float32Array.from(rows, (row) => label[row]!),
  };
  return new DeviceBatches(model.group.device, columns, {
    ...{ batchSize, seed, userGradients: model.historyLength === 0, ranks: collective },
    negatives: isSampled(loss) ? { itemSeen: model.itemSeen, known: train } : null,
  });
}
