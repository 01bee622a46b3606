// The one training loop of all methods: stages, batches, evaluation, best state, checkpoints, resume.
import { alone, type Collective, gatherValues, shareOf, someRank } from '@crossgate/collective';
import { InputError, InterruptedError } from '@crossgate/core';
import { sampleRows, shuffledRows } from '@crossgate/data';
import { auc, uauc } from '@crossgate/eval';
import type { Program } from '@crossgate/gpu';
import type { HostState, LossScalerState, ParameterGroup, Precision, YesNoLossOptions } from '@crossgate/tensor';
import {
  Adam,
  firstNonFinite,
  GradientReduction,
  LossScaler,
  learningRateAt,
  readGroup,
  readOptimizer,
  StepPrograms,
  Tape,
  type Tensor,
  withoutTape,
  writeGroup,
  writeOptimizer,
} from '@crossgate/tensor';
import { type BatchPadding, type HybridBatch, packPrompts, type UploadedBatch } from './batch';
import type { GroupName, StageDeclaration } from './methods/method';
import type { TrainingNoise } from './model';
import type { HybridPrompt } from './prompt';
import { promptOfRow, scoreRows } from './scoring';
import { diverged, gatherStep, readStep, StepReports, type StepValues } from './step-reports';
import type { BestState, TrainerOptions, TrainerState } from './trainer-options';
import { uploadBatch } from './upload-batch';
import { checkValidation, chosenRows } from './validation';

export { NonFiniteLossError } from '@crossgate/tensor';
export type { StepReport } from './step-reports';

/**
 * Trains through all stages and leaves the model with the parameters of the best validation AUC; without validation
 * rows, or with `selectBy: 'last'`, with the last ones. Each stage starts from the best parameters so far.
 *
 * @returns that best state; null where none is chosen.
 * @throws InputError as {@link checkValidation} does, and for batches of fewer prompts than there are ranks;
 * NonFiniteLossError when a loss, a score or a gradient that is clipped is not finite, and after 20 skipped steps in a
 * row; the reason of `signal`.
 */
export async function trainHybrid(options: TrainerOptions): Promise<BestState | null> {
  return new Trainer(options).run();
}

/**
 * Of batches whose steps are captured: so that those of sixteen prompts of some two thousand tokens have few shapes, and
 * grow by a few percent.
 */
const padding: BatchPadding = { tokens: 128, items: 16, titleTokens: 64 };

type UploadedHybridBatch = HybridBatch & { readonly uploaded: UploadedBatch };

class Trainer {
  readonly #options: TrainerOptions;
  readonly #loss: YesNoLossOptions;
  readonly #validRows: Int32Array;
  readonly #collective: Collective;
  #best: BestState | null = null;
  #sinceBest = 0;
  /** What the model is to multiply in from here on. All ranks have the same. */
  #precision: Precision;
  /** What earlier stages, or the run before, leave to the loss scaler of the next stage. */
  #lossScale: LossScalerState | undefined;
  /** That of the stage that runs. */
  #scaler: LossScaler | undefined;
  /** Whether there is a checkpoint of this run. */
  #hasCheckpoint: boolean;
  /** Captured steps of the stage that runs; null where steps are not captured. */
  readonly #programs: StepPrograms | null;
  /** Number of the step that is recorded or replayed, for dropout. */
  readonly #counter = { value: 0 };

  constructor(options: TrainerOptions) {
    this.#options = options;
    this.#precision = options.precision ?? 'f32';
    this.#hasCheckpoint = options.resume !== undefined;
    const { answers } = options.builders[0]!;
    this.#loss = { ...options.loss, yesToken: answers.yes, noToken: answers.no };
    checkValidation(options);
    this.#collective = options.collective ?? alone;
    checkBatches(options, this.#collective);
    const { llm, canBeCaptured } = options.model;
    const replays = options.replay === true && canBeCaptured;
    // Steps of ranks stop in the middle, to sum gradients.
    this.#programs = replays && this.#collective.size === 1 ? new StepPrograms(llm.device) : null;
    this.#validRows = chosenRows(options);
  }

  async run(): Promise<BestState | null> {
    const { model, stages, resume, finished } = this.#options;
    if (resume) {
      for (const group of model.allGroups()) writeGroup(group, resume.parameters, 'checkpoint');
      this.#best = resume.best;
      this.#sinceBest = resume.evaluationsSinceBest;
      this.#lossScale = resume.lossScale ?? undefined;
      if (resume.fellBack) this.#multiplyInF32();
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
    this.#scaler = scaler;
    const train = dataset.splits.train;
    const rows = sampleRows(train.rows, settings.rows ?? train.rows, seed + stage);
    const stepsPerEpoch = Math.ceil(rows.length / settings.batchSize);
    const totalSteps = stepsPerEpoch * settings.epochs;
    const evaluateEvery = settings.evaluateEvery ?? stepsPerEpoch;
    let order: Int32Array = new Int32Array(0);
    let orderEpoch = -1;
    const reports = new StepReports(this.#options.onStep, (reason) => this.#fallBack(reason));
    const reduction = new GradientReduction(groups, this.#collective);
    try {
      if (resume) {
        optimizer.steps = resume.optimizerSteps;
        writeOptimizer(optimizer, resume.moments, 'checkpoint');
      }
      // A run that was cut off between the checkpoint of its last evaluation and the next stage ends the stage here.
      const exhausted = () => settings.patience !== null && this.#sinceBest >= settings.patience;
      const firstStep = resume?.step ?? 0;
      for (let step = firstStep; step < totalSteps && !exhausted(); ) {
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
          const precision = this.#precision;
          const { losses, tokens } = await this.#step(batch, optimizer, scaler, reduction, learningRate, {
            stage,
            step,
            isFirst: step === firstStep,
          });
          step++;
          using __ = profiler?.span('wait');
          const { activations = 'f32' } = this.#options;
          const report = { stage, step, totalSteps, learningRate, tokens };
          await reports.push({ report, losses, precision, activations });
        }
        const evaluate = step % evaluateEvery === 0 || step === totalSteps;
        // All ranks stop after the same step.
        const abort = await someRank(this.#collective, signal?.aborted ?? false);
        // A rank that dies takes all with it, so several ranks have something to resume from after their first step.
        const early = this.#collective.size > 1 && !this.#hasCheckpoint;
        if (evaluate || abort || early || (checkpointEvery !== null && step % checkpointEvery === 0)) {
          await reports.settle();
          if (evaluate) await this.#evaluate(stage, step);
          else if (this.#options.onCheckpoint) await this.#expectFiniteLoss(batch, stage, step);
          await this.#checkpoint(stage, step, optimizer, scaler);
          if (abort || (await someRank(this.#collective, signal?.aborted ?? false))) {
            signal?.throwIfAborted();
            throw new InterruptedError();
          }
        }
      }
      await reports.settle();
      this.#options.onCommunication?.(reduction.seconds);
      this.#lossScale = (await scaler?.read()) ?? this.#lossScale;
    } finally {
      await reports.settle().catch(() => {}); // The error that is being thrown explains more.
      // The next stage trains other parameters.
      this.#programs?.clear();
      optimizer.release();
      this.#scaler = undefined;
      scaler?.release();
      for (const group of model.allGroups()) group.trainable = false;
    }
  }

  #trainedBy({ trains }: StageDeclaration): ReadonlySet<GroupName> {
    return new Set(trains.filter((name) => name !== 'cf' || this.#options.trainCf));
  }

  /**
   * The loss scaler of a stage that was asked for activations or products in f16. A new stage has a new optimizer, whose
   * updates count from 0.
   */
  #openScaler(resumedSteps: number | undefined): LossScaler | undefined {
    const { activations, precision } = this.#options;
    if (activations !== 'f16' && precision !== 'f16') return undefined;
    const resumed = resumedSteps !== undefined;
    const fresh = { scale: 2 ** 16, goodSteps: 0, skippedSteps: 0, skippedInRow: 0, updates: 0 };
    // A state of a training in f32 has no scale, but its moments are those of this many updates.
    const before = this.#lossScale ?? (resumed ? { ...fresh, updates: resumedSteps } : undefined);
    return new LossScaler(
      this.#options.model.llm.device,
      this.#hasHalves ? {} : { maxScale: 1 },
      before && { ...before, ...(!resumed && { updates: 0, skippedInRow: 0 }) },
    );
  }

  /** Whether values that gradients come from are rounded to halves, so that losses need a scale. */
  get #hasHalves(): boolean {
    return this.#options.activations === 'f16' || this.#precision === 'f16';
  }

  #multiplyInF32(): void {
    this.#precision = 'f32';
    this.#programs?.clear();
    this.#options.model.multiplyInF32();
  }

  /** Goes on in f32; a second reason, of a step that was on its way, changes nothing. */
  #fallBack(reason: string): void {
    if (this.#precision === 'f32') return;
    this.#multiplyInF32();
    // Products that overflowed brought the scale down too far for activations. Where no value is rounded, none is needed.
    if (this.#hasHalves) this.#scaler?.restart();
    else this.#scaler?.stayAtOne();
    this.#options.onFallback?.(reason);
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
    this.#counter.value = counter;
    const own = { lora: { seed, counter: this.#counter }, cf: { seed, counter, ...cfDropout } };
    const { lora, cf } = this.#collective.size > 1 ? sharedNoise(own, prompts, start) : own;
    return { lora: isTrained('lora') ? lora : undefined, cf: isTrained('fusion') ? cf : undefined };
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
    at: { stage: number; step: number; isFirst: boolean },
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
    const forward = (tape: Tape, uploaded?: UploadedHybridBatch) =>
      tape.record(() =>
        uploaded
          ? model.lossOfUploaded(uploaded, this.#loss, 1 / batch.length, noise)
          : model.loss(prompts, labels, this.#loss, 1 / batch.length, noise),
      ).losses;
    const lossScale = this.#hasHalves ? scaler?.scale : undefined;
    const newTape = () => new Tape({ ...(activations && { activations }), lossScale });
    if (!isShared) {
      const record = (uploaded?: UploadedHybridBatch): Tensor => {
        using _ = device.step();
        for (const group of optimizer.groups) group.zeroGradients();
        using tape = newTape();
        const losses = forward(tape, uploaded);
        tape.backward();
        optimizer.step(learningRate, scaler);
        return gatherStep(losses, scaler, optimizer);
      };
      const take = (): Promise<StepValues> => {
        using _ = profiler?.span('record');
        const replay = (program: Program) => optimizer.replayStep(program, learningRate, scaler);
        const gathered = this.#programs
          ? this.#replayed(this.#programs, prompts, labels, noise, record, replay)
          : record();
        return readStep(gathered, prompts.length, scaler !== undefined);
      };
      return { losses: at.isFirst ? (await this.#compileAhead(take)).losses : take(), tokens };
    }
    using recording = profiler?.span('record');
    using _ = device.step();
    for (const group of optimizer.groups) group.zeroGradients();
    using tape = newTape();
    // A short batch may have fewer prompts than there are ranks. The device begins with the forward pass at once.
    const own = prompts.length > 0 ? forward(tape).read() : Promise.resolve(new Float32Array(0));
    own.catch(() => {}); // Awaited below; should the ranks fail first, nobody would.
    recording?.[Symbol.dispose]();
    using __ = profiler?.span('sum');
    await reduction.backward(tape);
    optimizer.step(learningRate, scaler);
    const clip = scaler ? null : optimizer.clipFactor;
    const values: StepValues = {
      losses: await gatherValues(this.#collective, await own),
      lossScale: (await scaler?.read()) ?? null,
      clipFactor: clip && new Float32Array(await device.recorder.read(clip))[0]!,
    };
    return { losses: Promise.resolve(values), tokens };
  }

  /** Takes a step by a program of its shape: batches are padded to shapes that others have too. */
  #replayed(
    programs: StepPrograms,
    prompts: readonly HybridPrompt[],
    labels: Float32Array,
    noise: TrainingNoise,
    record: (uploaded: UploadedHybridBatch) => Tensor,
    replay: (program: Program) => void,
  ): Tensor {
    const { model } = this.#options;
    const { maxPositions } = model.llm;
    for (const { backend } of model.cf) backend.prepareFrozen?.();
    const batch = packPrompts(prompts, { ...padding, tokens: Math.min(padding.tokens, maxPositions) });
    const { positions, items, users, titleTokens, kinds } = batch;
    const counts = [prompts, positions.tokenIds, items, users, titleTokens].map(({ length }) => length);
    return programs.run(
      [...counts, ...[...kinds].sort()].join(),
      (upload) => ({ ...batch, uploaded: uploadBatch(model, batch, labels, noise.cf, upload) }),
      record,
      replay,
    );
  }

  /**
   * Records a first step with all its kernels compiled at the same time. In a box, lest its losses be waited for. Steps of
   * ranks wait for each other while they are recorded, so they cannot be held back whole.
   */
  async #compileAhead(record: () => Promise<StepValues>): Promise<{ losses: Promise<StepValues> }> {
    const { model, onCompile } = this.#options;
    let losses!: Promise<StepValues>;
    await model.llm.device.recorder.compileAhead(() => {
      losses = record();
      losses.catch(() => {}); // A kernel that does not compile is told once.
    }, onCompile);
    return { losses };
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
    if (wrong !== undefined && this.#precision === 'f16') {
      this.#fallBack(`a validation score is ${wrong} at step ${step} of stage ${stage + 1}`);
      return this.#evaluate(stage, step);
    }
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
    const wrong = (await gatherValues(this.#collective, losses)).find((value) => !Number.isFinite(value));
    if (wrong !== undefined && this.#precision === 'f16') {
      this.#fallBack(`the loss is ${wrong} after step ${step} of stage ${stage + 1}`);
      return this.#expectFiniteLoss(batch, stage, step);
    }
    if (wrong !== undefined) throw diverged(`the loss is ${wrong} after the update`, stage, step);
  }

  async #checkpoint(stage: number, step: number, optimizer: Adam, scaler: LossScaler | undefined): Promise<void> {
    const { onCheckpoint } = this.#options;
    this.#hasCheckpoint = true;
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
      ...(this.#options.precision === 'f16' && { fellBack: this.#precision === 'f32' }),
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

/** The same noise for a rank's share of a batch, from prompt `start` on: each prompt has the mask that one rank gives it. */
function sharedNoise(
  { lora, cf }: Required<{ [Part in keyof TrainingNoise]: NonNullable<TrainingNoise[Part]> }>,
  prompts: readonly HybridPrompt[],
  start: number,
) {
  const ahead = prompts.slice(0, start);
  const before = { tokens: ahead.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0), wanted: start };
  const whole = { batch: packPrompts(prompts), usersBefore: packPrompts(ahead).users.length };
  return { lora: { ...lora, before }, cf: { ...cf, whole } };
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
