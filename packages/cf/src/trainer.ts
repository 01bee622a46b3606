/** Trains a CF model on clicks: a loss of the four, Adam with coupled L2, early stopping on validation AUC. */
import { batchRows, type Split, shuffledRows } from '@crossgate/data';
import { auc, uauc } from '@crossgate/eval';
import type { BufferSlice, Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import type { HostState } from '@crossgate/tensor';
import {
  Adam,
  firstNonFinite,
  NonFiniteLossError,
  readGroup,
  readOptimizer,
  Tape,
  writeGroup,
  writeOptimizer,
} from '@crossgate/tensor';
import type { CfModel } from './backend';
import { type CfProgress, type EarlyStoppingOptions, isBest, stopReason } from './early-stopping';
import { type CfLoss, cfLoss, lossParts, NegativeSampler } from './losses';
import { type CfTrainingSettings, type CfTrainingState, readProgress, trainingMetadata } from './training-state';

/** Rows to learn from or to validate on: columns of equal length, dense ids, labels 0 or 1. */
export type ClickColumns = Pick<Split, 'rows' | 'user' | 'item' | 'label'>;

/** `dataset.splits` of `@crossgate/data` fits. */
export interface CfTrainingData {
  readonly train: ClickColumns;
  readonly valid: ClickColumns;
  /** The positives before a row, oldest first, at most `limit`. Needed by models that read histories. */
  readonly history?: (split: 'train' | 'valid', row: number, limit: number) => Int32Array;
}

export interface CfTrainerOptions extends EarlyStoppingOptions {
  /** Adam's, e.g. 1e-3. */
  readonly learningRate: number;
  /** Coupled L2, on every row of the tables in every step, as torch.optim.Adam does. E.g. 1e-4. */
  readonly weightDecay: number;
  /** Rows per step, e.g. 1024. The last batch of an epoch is shorter. */
  readonly batchSize: number;
  /** Default `bce`. The others learn from the positive rows alone. */
  readonly loss?: CfLoss;
  /** `adam` (default) couples the decay, `adamw` decouples it. */
  readonly optimizer?: 'adam' | 'adamw';
  /** Decay of the first and second moment, each in [0, 1). Default .9 and .999. */
  readonly betas?: readonly [number, number];
  /**
   * What the best epoch is chosen by, higher is better, instead of validation AUC: such as NDCG, where all labels are 1 and
   * there is no AUC. Null: this epoch is the best so far.
   */
  readonly criterion?: (model: CfModel) => Promise<number | null>;
  /** Seed of the row order, the negatives and the dropout; each epoch has its own. */
  readonly seed: number;
}

/** What is known after an epoch. */
export interface CfEpochReport {
  /** From 1. */
  readonly epoch: number;
  /** Mean loss over the training rows, each at the time of its step. */
  readonly loss: number;
  /** Null without validation rows of both classes. */
  readonly validAuc: number | null;
  readonly validUauc: number | null;
  /** The criterion's value, where there is one. */
  readonly criterion?: number | null;
  /** Best criterion, else best validation AUC. */
  readonly bestAuc: number | null;
  readonly bestEpoch: number;
  /** Wall time of the epoch, validation included. */
  readonly seconds: number;
}

export interface CfTrainingResult extends CfProgress {
  readonly stopped: 'epochs' | 'patience';
}

export interface CfTrainHooks {
  /** Called after every epoch; awaited, so it may save {@link CfTrainer.state}. */
  onEpoch?(report: CfEpochReport): void | Promise<void>;
  /** Aborting throws its reason between two steps. Continue from the last saved state. */
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
 * The device is waited for only at the end of an epoch: once for the losses, once for the validation scores.
 */
export class CfTrainer {
  readonly #device: Device;
  readonly #adam: Adam;
  readonly #losses: BufferSlice;
  readonly #loss: CfLoss;
  /** The train rows that the loss learns from. */
  readonly #rows: Int32Array;
  readonly #sampler: NegativeSampler;
  #progress: CfProgress = { epoch: 0, steps: 0, bestEpoch: 0, bestAuc: null };
  #best: HostState | null = null;

  /**
   * @throws InputError for options out of range, an empty train split, and train rows that the model counts as unseen;
   * OutOfMemoryError. Nothing stays allocated then.
   */
  constructor(
    readonly model: CfModel,
    readonly data: CfTrainingData,
    readonly options: CfTrainerOptions,
  ) {
    checkOptions(options);
    checkRows(model, data.train);
    if (model.historyLength > 0 && !data.history) throw new InputError(`${model.name} needs histories: data.history`);
    this.#loss = options.loss ?? 'bce';
    const { rows, label } = data.train;
    const all = Int32Array.from({ length: rows }, (_, row) => row);
    this.#rows = this.#loss === 'bce' ? all : all.filter((row) => label[row] === 1);
    if (this.#rows.length === 0)
      throw new InputError(`the train split has no positive rows, which ${this.#loss} needs`);
    this.#sampler = new NegativeSampler(model.itemSeen, data.train, options.seed);
    this.#device = model.group.device;
    const { learningRate, weightDecay, optimizer = 'adam', betas: [beta1, beta2] = [0.9, 0.999] } = options;
    const bytes = 4 * lossParts(this.#loss) * this.#rows.length;
    this.#losses = this.#device.memory.persistent(bytes, 'losses');
    try {
      this.#adam = new Adam([model.group], { kind: optimizer, learningRate, weightDecay, beta1, beta2 });
    } catch (error) {
      this.#device.memory.free(this.#losses);
      throw error;
    }
  }

  get progress(): CfProgress {
    return this.#progress;
  }

  /** Why no further epoch is due; null while one is. */
  get stopped(): 'epochs' | 'patience' | null {
    return stopReason(this.#progress, this.options);
  }

  /**
   * Trains to the end and gives the model the values of the best epoch. Goes on from a restored state.
   *
   * @throws the signal's reason when aborted; NonFiniteLossError when a loss or a score is no longer finite. A state taken after
   * the epoch before is good.
   */
  async run(hooks: CfTrainHooks = {}): Promise<CfTrainingResult> {
    while (this.stopped === null) {
      const report = await this.runEpoch(hooks.signal);
      await hooks.onEpoch?.(report);
    }
    this.useBest();
    return { ...this.#progress, stopped: this.stopped! };
  }

  /** One pass over the training rows, then validation. See {@link run} for errors. */
  async runEpoch(signal?: AbortSignal): Promise<CfEpochReport> {
    const start = performance.now();
    const { valid, history } = this.data;
    const epoch = this.#progress.epoch + 1;
    this.model.group.trainable = true;
    try {
      let done = 0;
      const negatives = this.#sampler.epoch(epoch - 1);
      for (const rows of batchRows(shuffledRows(this.#rows, this.options.seed, epoch - 1), this.options.batchSize)) {
        signal?.throwIfAborted();
        done += this.#step(rows, done, negatives);
      }
    } finally {
      this.model.group.trainable = false;
    }
    const losses = new Float32Array(await this.#device.recorder.read(this.#losses));
    const loss = losses.reduce((sum, value) => sum + value, 0) / this.#rows.length;
    const { learningRate } = this.options;
    if (!Number.isFinite(loss)) {
      throw new NonFiniteLossError(`epoch ${epoch}: the loss is ${loss}; lower learningRate (now ${learningRate})`);
    }
    const { user, label } = valid;
    const score = await this.model.scorePairs(
      user,
      valid.item,
      history && ((row, limit) => history('valid', row, limit)),
    );
    // The last update of an epoch shows in no loss of it.
    const wrong = score.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) {
      throw new NonFiniteLossError(
        `epoch ${epoch}: a validation score is ${wrong}; lower learningRate (now ${learningRate})`,
      );
    }
    const validAuc = valid.rows > 0 ? auc(label, score) : null;
    const criterion = await this.options.criterion?.(this.model);
    const value = criterion === undefined ? validAuc : criterion;
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

  /** Gives the model the values of the best epoch so far. A later {@link runEpoch} would start from them. */
  useBest(): void {
    if (this.#best) writeGroup(this.model.group, this.#best, 'the best epoch');
  }

  /**
   * Everything needed to go on to the same bits: values, moments, the best values, and how far it came. Take it between
   * epochs, e.g. in `onEpoch`: after {@link run} the model holds the best values instead of the last.
   *
   * @throws NonFiniteLossError naming a tensor with a value that is not finite: such a state would spoil what was saved before.
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
   * Goes back to a saved state.
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

  /** Frees the optimizer's memory; the model stays. */
  release(): void {
    this.#adam.release();
    this.#device.memory.free(this.#losses);
  }

  /** One update. Losses are kept on the device behind the `done` that came before in this epoch. @returns their number. */
  #step(rows: Int32Array, done: number, negatives: (users: Uint32Array) => Uint32Array): number {
    const { user, item, label } = this.data.train;
    const { group, historyLength } = this.model;
    const ids = Uint32Array.from(rows, (row) => user[row]!);
    const batch = {
      users: {
        users: ids,
        ...(historyLength > 0 && {
          histories: Array.from(rows, (row) => this.data.history!('train', row, historyLength)),
        }),
        dropout: { seed: this.options.seed, counter: this.#adam.steps },
      },
      items: Uint32Array.from(rows, (row) => item[row]!),
      labels: Float32Array.from(rows, (row) => label[row]!),
      negatives: this.#loss === 'sampled-bce' || this.#loss === 'bpr' ? negatives(ids) : new Uint32Array(0),
    };
    using _ = this.#device.step();
    group.zeroGradients();
    using tape = new Tape();
    const parts = tape.record(() => cfLoss(this.model, this.#loss, batch));
    const { storage, offset } = this.#losses;
    parts.forEach((losses, part) => {
      const start = offset + 4 * (done + part * rows.length);
      this.#device.recorder.copy(losses.slice, { storage, offset: start, size: 4 * rows.length });
    });
    tape.backward();
    this.#adam.step();
    return parts.length * rows.length;
  }

  /** What must not change between a state and its continuation. Patience and the number of epochs may. */
  #settings(): CfTrainingSettings {
    const { seed, batchSize, learningRate, weightDecay, optimizer = 'adam', betas } = this.options;
    return {
      ...{ seed, batchSize, learningRate, weightDecay, trainRows: this.data.train.rows },
      // Only where they are not what they were before there was a choice.
      ...(this.#loss !== 'bce' && { loss: this.#loss }),
      ...(optimizer !== 'adam' && { optimizer }),
      ...(betas && betas.join() !== '0.9,0.999' && { betas: betas.join() }),
    };
  }
}

function checkOptions(options: CfTrainerOptions): void {
  const { learningRate, weightDecay, batchSize, epochs, patience, warmupEpochs, betas } = options;
  for (const [name, value, minimum] of [
    ['batchSize', batchSize, 1],
    ['epochs', epochs, 1],
    ['patience', patience, 1],
    ['warmupEpochs', warmupEpochs, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < minimum) {
      throw new InputError(`${name} ${value} is not a whole number of at least ${minimum}`);
    }
  }
  if (!(learningRate > 0 && Number.isFinite(learningRate))) {
    throw new InputError(`learningRate ${learningRate} is not above 0`);
  }
  if (betas?.some((beta) => !(beta >= 0 && beta < 1)))
    throw new InputError(`betas ${betas.join(', ')} are not in [0, 1)`);
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) {
    throw new InputError(`weightDecay ${weightDecay} is not at least 0`);
  }
}

/** A row with an unseen user or item would move a vector that is promised to be zero. */
function checkRows(model: CfModel, { rows, user, item }: ClickColumns): void {
  if (rows === 0) throw new InputError('the train split has no rows');
  for (let row = 0; row < rows; row++) {
    if (model.userSeen[user[row]!] !== 1 || model.itemSeen[item[row]!] !== 1) {
      throw new InputError(
        `train row ${row} (user ${user[row]}, item ${item[row]}) has an id that the model counts as unseen; ` +
          'make its flags from the same train split',
      );
    }
  }
}
