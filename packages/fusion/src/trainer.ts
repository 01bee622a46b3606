// The one training loop of all methods: stages, batches, evaluation, best state, checkpoints, resume.
import { alone, type Collective, shareOf } from '@crossgate/collective';
import { InputError, InterruptedError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { sampleRows, shuffledRows } from '@crossgate/data';
import { auc, uauc } from '@crossgate/eval';
import type {
  ActivationStorage,
  HostState,
  LossScalerState,
  ParameterGroup,
  ScheduleOptions,
  YesNoLossOptions,
} from '@crossgate/tensor';
import {
  Adam,
  firstNonFinite,
  GradientReduction,
  LossScaler,
  learningRateAt,
  readGroup,
  readOptimizer,
  Tape,
  withoutTape,
  writeGroup,
  writeOptimizer,
} from '@crossgate/tensor';
import { packPrompts } from './batch';
import type { CfDropout } from './channels';
import type { GroupName, StageDeclaration } from './methods/method';
import type { HybridModel, TrainingNoise } from './model';
import type { HybridPrompt, PromptBuilder } from './prompt';
import { gatherValues, promptOfRow, scoreRows } from './scoring';
import { diverged, readStep, type StepReport, StepReports, type StepValues } from './step-reports';
import { checkValidation, chosenRows } from './validation';

/** How one stage trains: its data, AdamW, learning rate and evaluation. */
export interface StageSettings extends Omit<ScheduleOptions, 'totalSteps'> {
  /** Train rows of the stage: a seeded sample of this size; null for all. */
  readonly rows: number | null;
  /** Number of passes over these rows. */
  readonly epochs: number;
  /** Number of prompts per step. The paper has 3. */
  readonly batchSize: number;
  /** Decoupled weight decay of AdamW, at least 0. It does not reach the biases of ALG and GATE. */
  readonly weightDecay: number;
  /** Decay rate of the first moment, in [0, 1). */
  readonly beta1: number;
  /** Decay rate of the second moment, in [0, 1). */
  readonly beta2: number;
  /** Term added to the root of the second moment in the denominator, above 0. */
  readonly epsilon: number;
  /** Largest norm of all gradients together, to which larger ones are scaled down; null does not clip. */
  readonly clipNorm: number | null;
  /**
   * Number of steps between evaluations on the validation rows; null evaluates at the end of each epoch. The end of the
   * stage is always evaluated.
   */
  readonly evaluateEvery: number | null;
  /** The stage ends after this many evaluations in a row without a better AUC; null never ends it early. */
  readonly patience: number | null;
}

/** Result of an evaluation on the validation rows. */
export interface EvaluationReport {
  /** Number of the stage, from 0. */
  readonly stage: number;
  /** Number of steps done in the stage. */
  readonly step: number;
  /** AUC, 0 … 1; null unless the rows have both classes. */
  readonly validAuc: number | null;
  /** UAUC, the mean AUC over users with rows of both classes, 0 … 1; null without any such user. */
  readonly validUauc: number | null;
  /** Whether this AUC is the best so far, so that its parameters are kept. */
  readonly best: boolean;
}

/** Everything needed to resume with the same numbers, taken between two steps. */
export interface TrainerState {
  /** Number of the stage, from 0. */
  readonly stage: number;
  /** Number of steps done in the stage. */
  readonly step: number;
  /** Number of updates that the optimizer of the stage has made; steps that were skipped do not count. */
  readonly optimizerSteps: number;
  /** Values of all groups, whether the stage trains them or not. */
  readonly parameters: HostState;
  /** Moments of the optimizer of the stage. */
  readonly moments: HostState;
  /**
   * State of the loss scale with activations in f16; its skipped steps are those of all stages. Null with f32, and
   * absent in states of older versions.
   */
  readonly lossScale?: LossScalerState | null;
  /** The best parameters so far; null before the first AUC. */
  readonly best: BestState | null;
  /** Number of evaluations in the stage since the best one. */
  readonly evaluationsSinceBest: number;
}

/** The parameters with the best validation AUC so far. */
export interface BestState {
  /** Number of the stage they are from, from 0. */
  readonly stage: number;
  /** Number of steps done in that stage. */
  readonly step: number;
  /** Their validation AUC, 0 … 1. */
  readonly auc: number;
  /** Values of all parameter groups. */
  readonly parameters: HostState;
}

/** The first stages of a training, done by another training that is the same up to their end. */
export interface FinishedStages {
  /** How many they are. */
  readonly stages: number;
  /** Values of the groups that they train; the others are as the model was built. */
  readonly parameters: HostState;
  /** Which state these values are; null where none is chosen. */
  readonly best: Omit<BestState, 'parameters'> | null;
}

/** What {@link trainHybrid} trains, on which data, and how. */
export interface TrainerOptions {
  /** The model, whose parameters are changed in place. */
  readonly model: HybridModel;
  /** Makes the prompts: one builder per stage. */
  readonly builders: readonly PromptBuilder[];
  /** Rows to train on and to validate on. All prompts are made from it. */
  readonly dataset: Dataset;
  /** The stages in order, as `stagesOf` gives them. */
  readonly stages: readonly StageDeclaration[];
  /** Settings of the stages, by the name that each stage declares. */
  readonly settings: Readonly<Record<'stage1' | 'stage2', StageSettings>>;
  /** Whether stages that declare `cf` train the CF model (ENC). False keeps its vectors as they are. */
  readonly trainCf: boolean;
  /**
   * Share of a batch's users and items that stages which train ALG and GATE see as the zero vector, each in [0, 1).
   * Thus the vector of unseen ones is trained too. Default 0.
   */
  readonly cfDropout?: Pick<CfDropout, 'items' | 'users'>;
  /**
   * The loss and its settings (CCF-LLM eq. 5 and others): see `yesNoLoss` of `@crossgate/tensor`. Its answer tokens
   * come from the first builder.
   */
  readonly loss: Omit<YesNoLossOptions, 'yesToken' | 'noToken'>;
  /**
   * In which type the values that the backward pass reads are stored. `f16` halves that memory and adds a dynamic loss
   * scale: steps whose gradients are not finite change nothing, and are counted. Default `f32`.
   */
  readonly activations?: ActivationStorage;
  /** Seed of the samples of rows, of their order and of all dropout. */
  readonly seed: number;
  /** Validation rows that choose the best state: a seeded sample of this size, the same throughout; null for all. */
  readonly validRows: number | null;
  /**
   * What chooses the best state: `auc` (default), the AUC of these rows; or `last`, which chooses none, so that the last
   * state stands and no stage ends early.
   */
  readonly selectBy?: 'auc' | 'last';
  /** Most tokens of one batch of an evaluation: see {@link scoreRows}. */
  readonly batchTokens?: number;
  /** Number of steps between checkpoints; null makes them only after evaluations. A signal also makes one. */
  readonly checkpointEvery: number | null;
  /**
   * The ranks that train together, each with a model of the same values: every rank takes a share of each batch and of
   * each evaluation, and the gradients are summed, so the update is that of one rank. All stop when one is told to.
   * Default: this one alone.
   */
  readonly collective?: Collective;
  /** State to continue from, as {@link onCheckpoint} got it. */
  readonly resume?: TrainerState | undefined;
  /**
   * Stages to begin after; not read with a state to continue from. With activations in f16 the loss scale begins anew.
   */
  readonly finished?: FinishedStages | undefined;
  /** Called with the numbers of each step, one step late. */
  readonly onStep?: (report: StepReport) => void;
  /** Called after each stage with the seconds of it spent on sums between ranks, with waiting for slower ones. */
  readonly onCommunication?: (seconds: number) => void;
  /** Called after each evaluation. */
  readonly onEvaluation?: (report: EvaluationReport) => void;
  /** Called with a consistent state of finite values, whose losses are finite. Training waits for it. */
  readonly onCheckpoint?: (state: TrainerState) => Promise<void>;
  /** Called during an evaluation with the number of rows done so far and of all rows. */
  readonly onEvaluationProgress?: (done: number, total: number) => void;
  /**
   * Aborting it ends training after the current step: a checkpoint is made, then the reason of the signal is thrown. An
   * evaluation that is running or due is given up without a checkpoint; resuming from the last one gives the same
   * numbers.
   */
  readonly signal?: AbortSignal | undefined;
}

export { NonFiniteLossError } from '@crossgate/tensor';
export type { StepReport } from './step-reports';

/**
 * Trains through all stages and leaves the model with the parameters of the best validation AUC; without validation
 * rows, or with `selectBy: 'last'`, with the last ones. Each stage starts from the best parameters so far.
 *
 * @returns that best state; null where none is chosen.
 * @throws InputError as {@link checkValidation} does, and for batches of fewer prompts than there are ranks; NonFiniteLossError when a loss or a score is not finite, and
 * after 20 skipped steps in a row; the reason of `signal`.
 */
export async function trainHybrid(options: TrainerOptions): Promise<BestState | null> {
  return new Trainer(options).run();
}

class Trainer {
  readonly #options: TrainerOptions;
  readonly #loss: YesNoLossOptions;
  readonly #validRows: Int32Array;
  readonly #collective: Collective;
  #best: BestState | null = null;
  #sinceBest = 0;
  /** What earlier stages, or the run before, leave to the loss scaler of the next stage. */
  #lossScale: LossScalerState | undefined;

  constructor(options: TrainerOptions) {
    this.#options = options;
    const { answers } = options.builders[0]!;
    this.#loss = { ...options.loss, yesToken: answers.yes, noToken: answers.no };
    checkValidation(options);
    this.#collective = options.collective ?? alone;
    checkBatches(options, this.#collective);
    this.#validRows = chosenRows(options);
  }

  async run(): Promise<BestState | null> {
    const { model, stages, resume, finished } = this.#options;
    if (resume) {
      for (const group of model.allGroups()) writeGroup(group, resume.parameters, 'checkpoint');
      this.#best = resume.best;
      this.#sinceBest = resume.evaluationsSinceBest;
      this.#lossScale = resume.lossScale ?? undefined;
    } else if (finished) {
      for (const stage of stages.slice(0, finished.stages)) {
        for (const name of this.#trainedBy(stage)) {
          for (const group of model.groups().get(name) ?? []) writeGroup(group, finished.parameters, 'finished stages');
        }
      }
      this.#best = finished.best && { ...finished.best, parameters: await this.#readParameters() };
    }
    for (let stage = resume?.stage ?? finished?.stages ?? 0; stage < stages.length; stage++) {
      // Scores with another prompt cannot be compared with this one's.
      if (stages[stage]!.best === 'own' && resume?.stage !== stage) this.#best = null;
      await this.#runStage(stage, resume?.stage === stage ? resume : undefined);
      // The next stage starts from the best parameters, and so does whoever uses the model.
      if (this.#best) for (const group of model.allGroups()) writeGroup(group, this.#best.parameters, 'best state');
      this.#sinceBest = 0;
    }
    return this.#best;
  }

  async #runStage(stage: number, resume: TrainerState | undefined): Promise<void> {
    const { model, dataset, seed, stages, signal, checkpointEvery } = this.#options;
    const declaration = stages[stage]!;
    const settings = this.#options.settings[declaration.settings];
    const trains = this.#trainedBy(declaration);
    const groups: ParameterGroup[] = [];
    for (const [name, named] of model.groups()) {
      for (const group of named) group.trainable = trains.has(name);
      if (trains.has(name)) groups.push(...named);
    }
    const optimizer = new Adam(groups, { kind: 'adamw', ...settings });
    const scaler = this.#openScaler(resume?.optimizerSteps);
    const train = dataset.splits.train;
    const rows = sampleRows(train.rows, settings.rows ?? train.rows, seed + stage);
    const stepsPerEpoch = Math.ceil(rows.length / settings.batchSize);
    const totalSteps = stepsPerEpoch * settings.epochs;
    const evaluateEvery = settings.evaluateEvery ?? stepsPerEpoch;
    let order: Int32Array = new Int32Array(0);
    let orderEpoch = -1;
    const reports = new StepReports(this.#options.onStep);
    const reduction = new GradientReduction(groups, this.#collective);
    try {
      if (resume) {
        optimizer.steps = resume.optimizerSteps;
        writeOptimizer(optimizer, resume.moments, 'checkpoint');
      }
      // A run that was cut off between the checkpoint of its last evaluation and the next stage ends the stage here.
      const exhausted = () => settings.patience !== null && this.#sinceBest >= settings.patience;
      for (let step = resume?.step ?? 0; step < totalSteps && !exhausted(); ) {
        const epoch = Math.floor(step / stepsPerEpoch);
        if (epoch !== orderEpoch) {
          order = shuffledRows(rows, seed + stage, epoch);
          orderEpoch = epoch;
        }
        const start = (step % stepsPerEpoch) * settings.batchSize;
        const batch = order.subarray(start, start + settings.batchSize);
        const learningRate = learningRateAt(step, { ...settings, totalSteps });
        {
          const { profiler } = model.llm.device.recorder;
          using _ = profiler?.step(declaration.settings);
          const { losses, tokens } = await this.#step(batch, optimizer, scaler, reduction, learningRate, {
            stage,
            step,
          });
          step++;
          using __ = profiler?.span('wait');
          await reports.push({ stage, step, totalSteps, learningRate, tokens }, losses);
        }
        const evaluate = step % evaluateEvery === 0 || step === totalSteps;
        const abort = await this.#isStopped();
        if (evaluate || abort || (checkpointEvery !== null && step % checkpointEvery === 0)) {
          await reports.settle();
          if (evaluate) await this.#evaluate(stage, step);
          else if (this.#options.onCheckpoint) await this.#expectFiniteLoss(batch, stage, step);
          await this.#checkpoint(stage, step, optimizer, scaler);
          signal?.throwIfAborted();
          if (abort) throw new InterruptedError();
        }
      }
      await reports.settle();
      this.#options.onCommunication?.(reduction.seconds);
      this.#lossScale = reports.lossScale ?? this.#lossScale;
    } finally {
      await reports.settle().catch(() => {}); // The error that is being thrown explains more.
      optimizer.release();
      scaler?.release();
      for (const group of model.allGroups()) group.trainable = false;
    }
  }

  #trainedBy({ trains }: StageDeclaration): ReadonlySet<GroupName> {
    return new Set(trains.filter((name) => name !== 'cf' || this.#options.trainCf));
  }

  /**
   * The loss scaler of a stage with activations in f16. A new stage has a new optimizer, whose updates count from 0.
   */
  #openScaler(resumedSteps: number | undefined): LossScaler | undefined {
    if (this.#options.activations !== 'f16') return undefined;
    const resumed = resumedSteps !== undefined;
    const fresh = { scale: 2 ** 16, goodSteps: 0, skippedSteps: 0, skippedInRow: 0, updates: 0 };
    // A state of a training in f32 has no scale, but its moments are those of this many updates.
    const before = this.#lossScale ?? (resumed ? { ...fresh, updates: resumedSteps } : undefined);
    return new LossScaler(
      this.#options.model.llm.device,
      {},
      before && { ...before, ...(!resumed && { updates: 0, skippedInRow: 0 }) },
    );
  }

  /** Whether this rank, or another, was told to stop: all stop after the same step. */
  async #isStopped(): Promise<boolean> {
    const own = this.#options.signal?.aborted ?? false;
    if (this.#collective.size === 1) return own;
    return (await this.#collective.allGather(Uint8Array.of(Number(own)))).some(([each]) => each === 1);
  }

  /** Prompts of train rows. */
  #prompts(rows: Int32Array, stage: number): HybridPrompt[] {
    const { builders, dataset } = this.#options;
    return Array.from(rows, (row) => promptOfRow(builders[stage]!, dataset, 'train', row));
  }

  /** Dropout of this rank's share, from prompt `start` on, in the batch of all ranks. */
  #noise(prompts: readonly HybridPrompt[], start: number, at: { stage: number; step: number }): TrainingNoise {
    const { model, seed, cfDropout = { items: 0, users: 0 } } = this.#options;
    // Dropout belongs to LoRA's training: a frozen adapter is used as it is. Every step of every stage has its mask.
    const isTrained = (name: GroupName) => model.groups().get(name)?.[0]?.trainable === true;
    const counter = at.stage * 0x1000000 + at.step;
    const ahead = prompts.slice(0, start);
    const before = { tokens: ahead.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0), wanted: start };
    const whole = { batch: packPrompts(prompts), usersBefore: packPrompts(ahead).users.length };
    const isShared = this.#collective.size > 1;
    return {
      lora: isTrained('lora') ? { seed, counter, ...(isShared && { before }) } : undefined,
      cf: isTrained('fusion') ? { seed, counter, ...cfDropout, ...(isShared && { whole }) } : undefined,
    };
  }

  /**
   * One optimizer step. It returns its losses as a promise, so that the next step can be recorded meanwhile. With several
   * ranks it waits for the sum of their gradients.
   */
  async #step(
    batch: Int32Array,
    optimizer: Adam,
    scaler: LossScaler | undefined,
    reduction: GradientReduction,
    learningRate: number,
    at: { stage: number; step: number },
  ): Promise<{ losses: Promise<StepValues>; tokens: number }> {
    const { model, dataset, activations } = this.#options;
    const { device } = model.llm;
    const { profiler } = device.recorder;
    const isShared = this.#collective.size > 1;
    const building = profiler?.span('batch');
    const all = this.#prompts(batch, at.stage);
    const { start, end } = shareOf(batch.length, this.#collective);
    const prompts = all.slice(start, end);
    const labels = Float32Array.from(batch.subarray(start, end), (row) => dataset.splits.train.label[row]!);
    const noise = this.#noise(all, start, at);
    building?.[Symbol.dispose]();
    const tokens = all.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
    const backward = (): Promise<StepValues> => {
      using _ = profiler?.span('record');
      using __ = device.step();
      for (const group of optimizer.groups) group.zeroGradients();
      // A short batch may have fewer prompts than there are ranks.
      if (prompts.length === 0) {
        return Promise.resolve({ losses: new Float32Array(0), lossScale: null, clipFactor: null });
      }
      using tape = new Tape({ ...(activations && { activations }), lossScale: scaler?.scale });
      const { losses } = tape.record(() => model.loss(prompts, labels, this.#loss, 1 / batch.length, noise));
      tape.backward();
      if (!isShared) optimizer.step(learningRate, scaler);
      // What ranks decide together is read behind the sum of their gradients.
      return isShared ? readStep(losses, undefined, { clipFactor: null }) : readStep(losses, scaler, optimizer);
    };
    const losses = backward();
    if (!isShared) return { losses, tokens };
    losses.catch(() => {}); // Awaited below; should the ranks fail first, nobody would.
    await reduction.run();
    {
      using _ = device.step();
      optimizer.step(learningRate, scaler);
    }
    const clip = scaler ? null : optimizer.clipFactor;
    const values: StepValues = {
      losses: await this.#ofAllRanks((await losses).losses),
      lossScale: (await scaler?.read()) ?? null,
      clipFactor: clip && new Float32Array(await device.recorder.read(clip))[0]!,
    };
    return { losses: Promise.resolve(values), tokens };
  }

  /** The values of all ranks, in the order of the ranks. */
  #ofAllRanks(own: Float32Array): Promise<Float32Array> {
    return gatherValues(this.#collective, own);
  }

  async #evaluate(stage: number, step: number): Promise<void> {
    const { model, builders, dataset, batchTokens, onEvaluation, onEvaluationProgress, signal } = this.#options;
    using _ = model.llm.device.recorder.profiler?.span('evaluation');
    const scores = await scoreRows(model, builders[stage]!, dataset, 'valid', this.#validRows, this.#loss, {
      ...(batchTokens !== undefined && { batchTokens }),
      ...(onEvaluationProgress && { onProgress: onEvaluationProgress }),
      signal,
      collective: this.#collective,
    });
    const wrong = scores.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) throw diverged(`a validation score is ${wrong}`, stage, step);
    const { label, user } = dataset.splits.valid;
    const labels = Uint8Array.from(this.#validRows, (row) => label[row]!);
    const users = Int32Array.from(this.#validRows, (row) => user[row]!);
    const validAuc = auc(labels, scores);
    const validUauc = uauc({ user: users, label: labels, score: scores }).uauc;
    const chosenBy = this.#options.selectBy === 'last' ? null : validAuc;
    const better = chosenBy !== null && (this.#best === null || chosenBy > this.#best.auc);
    if (better) {
      this.#best = { stage, step, auc: chosenBy, parameters: await this.#readParameters() };
      this.#sinceBest = 0;
    } else if (chosenBy !== null) this.#sinceBest++;
    onEvaluation?.({ stage, step, validAuc, validUauc, best: better });
  }

  /** No loss shows the last update yet. Without an evaluation, its batch runs again before values are kept. */
  async #expectFiniteLoss(batch: Int32Array, stage: number, step: number): Promise<void> {
    const { model, dataset } = this.#options;
    const { start, end } = shareOf(batch.length, this.#collective);
    const rows = batch.subarray(start, end);
    const prompts = this.#prompts(rows, stage);
    const labels = Float32Array.from(rows, (row) => dataset.splits.train.label[row]!);
    const lossesOf = (): Promise<Float32Array> => {
      using _ = model.llm.device.step();
      const { losses } = withoutTape(() => model.loss(prompts, labels, this.#loss, 1 / batch.length));
      return losses.read();
    };
    const losses = rows.length > 0 ? await lossesOf() : new Float32Array(0);
    const wrong = (await this.#ofAllRanks(losses)).find((value) => !Number.isFinite(value));
    if (wrong !== undefined) throw diverged(`the loss is ${wrong} after the update`, stage, step);
  }

  async #checkpoint(stage: number, step: number, optimizer: Adam, scaler: LossScaler | undefined): Promise<void> {
    const { onCheckpoint } = this.#options;
    if (!onCheckpoint) return;
    using _ = this.#options.model.llm.device.recorder.profiler?.span('checkpoint');
    const parameters = await this.#readParameters();
    const moments = await readOptimizer(optimizer);
    const wrong = firstNonFinite(parameters) ?? firstNonFinite(moments);
    const lossScale = (await scaler?.read()) ?? null;
    if (wrong !== null) throw diverged(`"${wrong}" holds a value that is not finite`, stage, step);
    await onCheckpoint({
      stage,
      step,
      optimizerSteps: lossScale?.updates ?? optimizer.steps,
      parameters,
      moments,
      lossScale,
      best: this.#best,
      evaluationsSinceBest: this.#sinceBest,
    });
  }

  async #readParameters(): Promise<HostState> {
    const state: HostState = new Map();
    for (const group of this.#options.model.allGroups()) {
      for (const [name, value] of await readGroup(group)) state.set(name, value);
    }
    return state;
  }
}

/** @throws InputError for a stage with batches of fewer prompts than there are ranks */
function checkBatches({ stages, settings }: TrainerOptions, { size }: Collective): void {
  for (const { settings: name } of stages) {
    const { batchSize } = settings[name];
    if (batchSize >= size) continue;
    throw new InputError(`${batchSize} prompts are no batch for ${size} ranks`, {
      code: 'config.value',
      place: `training.${name}.batchSize`,
      fix: `raise it to ${size} or more, or start fewer ranks`,
    });
  }
}
