/** Methods on a language model, as `@crossgate/fusion` declares them: builds the model from the config, trains its stages, scores. */

import { findCfDefinition, type InformationClass } from '@crossgate/cf';
import { InterruptedError, type ProgressTask } from '@crossgate/core';
import {
  buildHybridModel,
  checkValidation,
  findMethod,
  fusionParameterShapes,
  gateOf,
  type HybridModel,
  learnedShapes,
  learnedVectors,
  type Method,
  type NormReport,
  type StageSettings,
  scoreRows,
  type TrainerState,
  trainHybrid,
  usesCf,
  usesNeighbors,
} from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import { type LlamaConfig, loraParameterShapes } from '@crossgate/llm';
import type { SplitName, StageConfig } from '../config/schema';
import { evaluatedRows } from '../evaluated-rows';
import { locateModel } from '../locate';
import type { Scores } from '../predictions';
import { inOnePrecision } from '../ranks/one-precision';
import { type RunFolder, storedProvenance } from '../runs/run-folder';
import { runOnDisk } from '../runs/run-on-disk';
import { type Backends, finishedContexts, scoredModel } from './backends';
import { logitsToScores } from './cf';
import { checkCfRun } from './cf-phase';
import { checkFromModel } from './continued-run';
import { declaredMethod, stagesOfConfig } from './declared-stages';
import { findFinishedStages } from './finished-stages';
import { fallsBack } from './finite-scores';
import { readHybridCheckpoint, saveHybridCheckpoint, writeModelFiles } from './hybrid-checkpoint';
import { checkModel, type HybridParts, type Prompts, partsOf } from './hybrid-parts';
import { openHybridRun } from './hybrid-run';
import { hybridScorer } from './hybrid-scorer';
import { checkBudget, predictBatches, predictTraining } from './memory-budget';
import { neighborLists } from './neighbors';
import { cfMemory, cfOptions, checkCfSizes, checkParameterSizes } from './parameter-sizes';
import { backendContexts, prepareBackends } from './prepare-backends';
import type { Outcome, Runner, RunnerContext } from './runner';
import { checkSelection } from './selection';
import { startHybrid } from './start-values';

/** The runner of a method that is declared in `@crossgate/fusion`. */
export function hybridRunner(name: string): Runner {
  findMethod(name);
  return {
    name,
    information: (config) => informationOf(declaredMethod(config), [{ config }]),
    trained: true,
    async open(context) {
      const method = declaredMethod(context.config);
      const contexts = await backendContexts(context, method);
      for (const each of contexts) await checkCfRun(each);
      checkBest(context, method, contexts);
      const { parts, provenance } = await borrow(context, method, contexts, true);
      if (context.from) checkFromModel(context.from, provenance);
      return {
        adapter: parts.device.capabilities.name,
        information: informationOf(method, contexts),
        provenance,
        train: (run, stagesFrom) => train(context, run, { ...parts, modelHash: provenance.modelHash, stagesFrom }),
        // What training adds is freed when it ends; the rest is the session's.
        close: async () => {},
      };
    },
    async openScorer(context, run) {
      return hybridScorer(context, await openHybridRun(context, runOnDisk(run), await borrowFinished(context, run)));
    },
  };
}

/** Checks what chooses the best epoch of each CF model and the best state. @throws InputError where valid does not define it */
function checkBest(
  { config, dataset, session }: RunnerContext,
  method: Method,
  contexts: readonly RunnerContext[],
): void {
  // What is not trained chooses nothing.
  const isTrained = stagesOfConfig(method, config).length > 0;
  const { selectBy } = config.training;
  for (const each of contexts) checkSelection(each, isTrained && selectBy === 'auc');
  if (!isTrained) return;
  checkValidation({ dataset, validRows: config.evaluation.validRows, seed: config.seed, selectBy });
  const why =
    dataset.splits.valid.rows === 0
      ? 'valid has no rows to choose a state by'
      : selectBy === 'last'
        ? 'training.selectBy is last'
        : null;
  if (why !== null) session.log.info(`${why}: the last state stands`);
}

/**
 * Borrows what a finished run was trained on.
 * @param run absolute path of the run folder
 * @throws InputError when the model is not the one that the run was trained on
 */
export async function borrowFinished(context: RunnerContext, run: string): Promise<HybridParts<RunnerContext>> {
  const method = declaredMethod(context.config);
  const { parts, provenance } = await borrow(context, method, await finishedContexts(context, method, runOnDisk(run)));
  checkModel((await storedProvenance(run)).modelHash, provenance.modelHash, context.config.llm.path!);
  return parts;
}

/** The class of a method on these backends: vectors that are made of dislikes bring them into the prompt. */
function informationOf(method: Method, contexts: readonly Pick<RunnerContext, 'config'>[]): InformationClass {
  const isP = ({ config: { cf } }: Pick<RunnerContext, 'config'>) =>
    findCfDefinition(cf.model).information(cfOptions(cf)) === 'P';
  return usesCf(method) && contexts.some(isP) ? 'P' : method.information;
}

/**
 * Borrows the base model and the device of the session.
 * @param check whether it is to be trained: what does not fit is found before the weights are loaded
 */
async function borrow(
  context: RunnerContext,
  method: Method,
  contexts: readonly RunnerContext[],
  check = false,
): Promise<{ parts: HybridParts<RunnerContext>; provenance: { model: unknown; modelHash: string } }> {
  const { config, session } = context;
  const lent = await session.model(await locateModel(config.llm.path!, 'llm.path', session));
  const parts = await partsOf(context, method, contexts, lent, session.device, (device, { stages: builders }) => {
    if (!check) return;
    checkSizes(device, context, method, contexts, lent.config);
    checkBudget(device, config, (changed) =>
      predictTraining(context, changed, lent.source, builders, method, contexts),
    );
  });
  // The name as the user gave it: where it lies on this machine is nobody else's business.
  return { parts, provenance: { model: { name: config.llm.path, ...lent.config }, modelHash: lent.hash } };
}

/** Checks every parameter that the run will add to the model. */
function checkSizes(
  device: Device,
  { config, dataset }: RunnerContext,
  method: Method,
  contexts: readonly RunnerContext[],
  { hiddenSize, ...llm }: LlamaConfig,
): void {
  checkParameterSizes(device, 'lora.rank', loraParameterShapes({ hiddenSize, ...llm }, config.lora));
  checkParameterSizes(device, 'the slots of the method', learnedShapes(learnedVectors(method.slots), hiddenSize));
  for (const { config: own } of contexts) {
    checkCfSizes(device, own, dataset);
    if (!usesCf(method)) continue;
    const shape = { cfDim: own.cf.cfDim, hiddenSize };
    const shapes = [...fusionParameterShapes(shape, config.alg, gateOf(config.gate, method.slots))];
    const isGate = ([parameter]: (typeof shapes)[number]) => parameter.startsWith('gate.');
    checkParameterSizes(device, 'alg.hiddenFactor or cf.cfDim', new Map(shapes.filter((entry) => !isGate(entry))));
    checkParameterSizes(device, 'gate.hidden', new Map(shapes.filter(isGate)));
  }
}

async function train(context: RunnerContext, run: RunFolder, parts: TrainedParts): Promise<Outcome> {
  const { config, dataset, session } = context;
  const { method, device, contexts } = parts;
  const llm = await inOnePrecision(parts.llm, config.llm.precision, session);
  const cf = await prepareBackends(contexts, run, device);
  try {
    const [first] = cf.models;
    const { neighborCount } = config.prompt;
    const neighbors =
      first && usesNeighbors(method) ? await neighborLists(first, dataset, neighborCount + 1) : undefined;
    const made = parts.prompts(neighbors);
    const { model, norms } = await buildHybridModel(llm, usesCf(method) ? cf.backends : [], {
      seed: config.seed,
      lora: config.lora,
      alg: config.alg,
      gate: config.gate,
      slots: method.slots,
      tokenizer: made.final.tokenizer,
    });
    try {
      if (context.from && parts.stages.length > 0) await startHybrid(model, context.from);
      for (const norm of norms) session.log.info({ ...norm }, 'mean vector norms');
      return await trainStages(context, run, { ...parts, ...{ model, norms, cf, made } });
    } finally {
      model.release();
    }
  } finally {
    cf.release();
  }
}

/** What a training works with from the beginning. */
interface TrainedParts extends HybridParts<RunnerContext> {
  readonly modelHash: string;
  readonly stagesFrom: readonly string[];
}

/** What the stages of a training work with. */
interface TrainingParts extends TrainedParts {
  readonly model: HybridModel;
  readonly norms: readonly NormReport[];
  readonly cf: Backends;
  readonly made: Prompts;
}

async function trainStages(
  context: RunnerContext,
  run: RunFolder,
  { device, stages, contexts, model, norms, cf, made, modelHash, stagesFrom }: TrainingParts,
): Promise<Outcome> {
  const { config, dataset, session } = context;
  const { log, progress, signal, collective } = session;
  const { stages: builders, final: builder } = made;
  const phase = (stage: number) => stages[stage]!.settings;
  const checkpoint = await readHybridCheckpoint(run, stages.length);
  const resume = checkpoint?.state;
  if (resume) log.info(`continuing ${phase(resume.stage)} after step ${resume.step}`);
  const own = { run: run.path, adapter: device.capabilities.name, modelHash, llm: model.llm.config };
  const finished = checkpoint ? undefined : await findFinishedStages(context, own, stagesFrom);
  const origin = checkpoint?.origin ?? (finished ? { run: finished.run, stages: finished.stages } : null);
  for (const [index] of stages.slice(0, origin?.stages ?? 0).entries())
    log.info(`${phase(index)} as in ${origin!.run}`);
  for (const record of finished?.records ?? []) run.appendMetrics(record);
  const { stage1, stage2 } = config.training;
  const loss = { kind: config.loss.name, k: config.loss.k, bprOn: config.loss.bprOn };
  const { batchTokens } = config.evaluation;
  const shown = new ShownTask();
  /** Tokens of the largest batch by stage. */
  const largest = new Map<number, number>();
  let compilingSince = 0;
  let communicationSeconds = 0;
  let skippedSteps = resume?.lossScale?.skippedSteps ?? 0;
  let savedBest = resume?.best ? `${resume.best.stage}/${resume.best.step}` : '';
  try {
    const best =
      stages.length === 0
        ? null
        : await trainHybrid({
            model,
            builders,
            dataset,
            stages,
            settings: { stage1: stageSettings(stage1), stage2: stageSettings(stage2) },
            // Vectors that were drawn are no control once they are trained.
            trainCf: stage2.trainCf && config.control !== 'random-vectors',
            activations: config.training.activations,
            // That of the config, unless the matrix units failed their test.
            precision: model.llm.precision,
            onFallback(reason) {
              shown.clear();
              log.warn(`${reason}: values do not fit f16; going on with products in f32 (llm.precision)`);
            },
            cfDropout: { items: stage2.cfDropout, users: stage2.userDropout ?? stage2.cfDropout },
            loss,
            seed: config.seed,
            validRows: config.evaluation.validRows,
            selectBy: config.training.selectBy,
            batchTokens,
            checkpointEvery: config.training.checkpointEvery,
            resume,
            finished,
            signal,
            collective,
            onCommunication(seconds) {
              communicationSeconds += seconds;
            },
            onCompile(done, total) {
              if (done === 0) compilingSince = performance.now();
              if (performance.now() - compilingSince < 2000) return;
              shown.show('compiling', () => progress.start('compiling', total, 'kernels')).update(done);
            },
            onStep({ stage, step, totalSteps, loss: value, learningRate, tokens, lossScale }) {
              largest.set(stage, Math.max(tokens, largest.get(stage) ?? 0));
              const scaling = lossScale && { lossScale: lossScale.scale, skippedSteps: lossScale.skippedSteps };
              skippedSteps = lossScale?.skippedSteps ?? 0;
              run.appendMetrics({ phase: phase(stage), step, loss: value, learningRate, tokens, ...scaling });
              shown
                .show(phase(stage), () => progress.start(phase(stage), totalSteps, 'steps', step - 1))
                .update(step, `loss ${value?.toFixed(4) ?? '-'}`);
            },
            onEvaluation({ stage, step, validAuc, validUauc, best: isBest }) {
              run.appendMetrics({ phase: phase(stage), step, validAuc, validUauc });
              const text = `${phase(stage)}, step ${step}: validation AUC ${validAuc?.toFixed(4) ?? '-'}`;
              shown.clear();
              log.info(`${text}, UAUC ${validUauc?.toFixed(4) ?? '-'}${isBest ? ' (best)' : ''}`);
            },
            onEvaluationProgress(done, total) {
              shown.show('validation', () => progress.start('validation', total)).update(done);
            },
            async onCheckpoint(state: TrainerState) {
              const bestKey = state.best ? `${state.best.stage}/${state.best.step}` : '';
              await saveHybridCheckpoint(run, state, bestKey !== savedBest, origin);
              savedBest = bestKey;
            },
          });
    shown.clear();
    const scores: Partial<Record<SplitName, Scores>> = {};
    let scored = await scoredModel(context, model);
    const splits = [...config.evaluation.splits];
    for (let split = splits.shift(); split !== undefined; split = splits.shift()) {
      const rows = evaluatedRows(config, dataset, split);
      const { yes, no } = builder.answers;
      const task = shown.show(split, () => progress.start(`scoring ${split}`, rows.length));
      using _ = session.profiler?.span(`score ${split}`);
      const values = await scoreRows(
        scored,
        builder,
        dataset,
        split,
        rows,
        { ...loss, yesToken: yes, noToken: no },
        {
          batchTokens,
          signal,
          collective,
          onProgress: (done) => task.update(done),
        },
      );
      scores[split] = logitsToScores(values);
      shown.clear();
      if (!fallsBack(model, values, split, log)) continue;
      // What was scored is a copy; and all splits are scored by the same model.
      scored = await scoredModel(context, model);
      splits.splice(0, splits.length, ...config.evaluation.splits);
    }
    await writeModelFiles(run, model, config);
    const rowsOf = (settings: StageConfig) => Math.min(settings.rows ?? Infinity, dataset.splits.train.rows);
    return {
      scores,
      details: {
        stages: stages.map(({ settings, trains }, index) => {
          const { batchSize, epochs } = config.training[settings];
          const rows = rowsOf(config.training[settings]);
          const taken = origin !== null && index < origin.stages && { run: origin.run };
          return { name: settings, trains, rows, epochs, batchSize, ...taken };
        }),
        validRows: Math.min(config.evaluation.validRows ?? Infinity, dataset.splits.valid.rows),
        ...(config.training.selectBy === 'last' && { selectBy: 'last' }),
        ...(collective.size > 1 && {
          ranks: collective.size,
          communicationSeconds: Math.round(communicationSeconds * 1000) / 1000,
        }),
        best: best && { stage: phase(best.stage), step: best.step, validAuc: best.auc },
        norms: oneOrAll(norms),
        // Of all stages; with f32 there are none.
        ...((config.training.activations === 'f16' || config.llm.precision === 'f16') && { skippedSteps }),
        // Asked for f16, and came to be trained, or scored, in f32.
        ...(config.llm.precision === 'f16' && { precision: model.llm.precision }),
        cf: oneOrAll(cf.details),
        memory: {
          used: device.report(),
          // Nothing to compare with when a resumed run had no step left.
          predicted: predictBatches(
            ...([model, stages, config, largest] as const),
            contexts.map(({ config: { cf: own } }) => cfMemory(own, dataset)),
          ),
        },
      },
    };
  } catch (error) {
    // The trainer throws the signal's own reason, which says nothing of ours.
    if (signal.aborted && !(error instanceof InterruptedError)) throw new InterruptedError('interrupted');
    throw error;
  } finally {
    shown.clear();
  }
}

/** Facts of each backend: as they are of one, null of none. */
function oneOrAll<T>(values: readonly T[]): T | readonly T[] | null {
  return values.length > 1 ? values : (values[0] ?? null);
}

/** The trainer's words for a stage of the config. */
function stageSettings({ betas, optimizer: _, template: __, ...stage }: StageConfig): StageSettings {
  const adam = { beta1: betas[0], beta2: betas[1] };
  return { ...stage, ...adam };
}

/** The one task that is shown; another name ends it and starts the next. */
class ShownTask {
  private name = '';
  private task: ProgressTask | undefined;

  show(name: string, start: () => ProgressTask): ProgressTask {
    if (this.task === undefined || this.name !== name) {
      this.task?.finish();
      this.task = start();
      this.name = name;
    }
    return this.task;
  }

  clear(): void {
    this.task?.finish();
    this.task = undefined;
  }
}
