/** Methods on a language model (ccf, tallrec): builds the model from the config, trains its stages, scores. */

import { findCfDefinition } from '@crossgate/cf';
import { InputError, InterruptedError, type ProgressTask } from '@crossgate/core';
import {
  buildHybridModel,
  fillNoun,
  findMethod as findDeclaration,
  fusionParameterShapes,
  type HybridModel,
  learnedShapes,
  learnedVectors,
  type Method,
  type NormReport,
  PromptBuilder,
  type StageSettings,
  scoreRows,
  stagesOf,
  type TrainerState,
  trainHybrid,
  usesCf,
} from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import { contextOf, type LlamaConfig, loraParameterShapes, type Tokenizer, type WeightSource } from '@crossgate/llm';
import type { SplitName, StageConfig } from '../config/schema';
import { evaluatedRows } from '../evaluated-rows';
import { locateModel } from '../locate';
import type { Scores } from '../predictions';
import { type RunFolder, storedProvenance } from '../runs/run-folder';
import { logitsToScores } from './cf';
import { type CfDetails, checkCfRun, prepareCf } from './cf-phase';
import { readHybridCheckpoint, saveHybridCheckpoint, writeModelFiles } from './hybrid-checkpoint';
import type { HybridParts } from './hybrid-parts';
import { hybridScorer } from './hybrid-scorer';
import { checkBudget, predictBatches, predictTraining } from './memory-budget';
import { cfMemory, cfOptions, checkCfSizes, checkParameterSizes } from './parameter-sizes';
import type { Outcome, Runner, RunnerContext } from './runner';

/** The runner of a method that is declared in `@crossgate/fusion`. */
export function hybridRunner(name: string): Runner {
  const declaration = findDeclaration(name);
  return {
    name,
    // Vectors that are made of dislikes bring them into the prompt.
    information: ({ cf }) =>
      usesCf(declaration) && findCfDefinition(cf.model).information(cfOptions(cf)) === 'P'
        ? 'P'
        : declaration.information,
    trained: true,
    async open(context) {
      if (usesCf(declaration)) await checkCfRun(context);
      const { parts, provenance } = await borrow(name, context, (device, source, builders) => {
        checkSizes(name, device, context, source.config);
        checkBudget(device, context.config, (config) =>
          predictTraining({ ...context, config }, source, builders, declaration),
        );
      });
      return {
        adapter: parts.device.capabilities.name,
        provenance,
        train: (run) => train(name, context, run, parts),
        // What training adds is freed when it ends; the rest is the session's.
        close: async () => {},
      };
    },
    async openScorer(context, run) {
      const { parts, provenance } = await borrow(name, context);
      await checkModel(run, provenance.modelHash, context.config.llm.path!);
      return hybridScorer(context, run, parts);
    },
  };
}

/**
 * Borrows the base model and the device of the session.
 * @param check called before the weights are loaded
 */
async function borrow(
  name: string,
  { config, dataset, session }: RunnerContext,
  check?: (device: Device, source: WeightSource, builders: readonly PromptBuilder[]) => void,
) {
  const lent = await session.model(await locateModel(config.llm.path!, 'llm.path', session));
  const tokenizer = await lent.tokenizer();
  // Prompts are built once before the GPU is opened: a template that does not fit is found at once.
  const builders = promptBuilders(name, { config, dataset }, tokenizer, contextOf(lent.config));
  const device = await session.device();
  check?.(device, lent.source, builders);
  const { checkpointing } = config.training;
  const llm = (await lent.load(config.llm.weights)).with({ checkpointing });
  const parts: HybridParts = { llm, builders, device, usesCf: usesCf(findDeclaration(name)) };
  // The name as the user gave it: where it lies on this machine is nobody else's business.
  return { parts, provenance: { model: { name: config.llm.path, ...lent.config }, modelHash: lent.hash } };
}

/** @throws InputError when the model is not the one that the run was trained on */
async function checkModel(run: string, hash: string, path: string): Promise<void> {
  const { modelHash: stored } = await storedProvenance(run);
  if (stored === undefined || stored === hash) return;
  throw new InputError(
    `llm.path: ${path} is another model than the run was trained on (hash ${hash}, then ${stored}); name the same with --set llm.path=PATH`,
  );
}

/** Checks every parameter that the run will add to the model. */
function checkSizes(name: string, device: Device, { config, dataset }: RunnerContext, llm: LlamaConfig): void {
  checkParameterSizes(device, 'lora.rank', loraParameterShapes(llm, config.lora));
  const declaration = findDeclaration(name);
  checkParameterSizes(
    device,
    'the slots of the method',
    learnedShapes(learnedVectors(declaration.slots), llm.hiddenSize),
  );
  if (!usesCf(declaration)) return;
  checkCfSizes(device, config, dataset);
  const shape = { cfDim: config.cf.cfDim, hiddenSize: llm.hiddenSize };
  const shapes = [...fusionParameterShapes(shape, config.alg, config.gate)];
  const isGate = ([parameter]: (typeof shapes)[number]) => parameter.startsWith('gate.');
  checkParameterSizes(device, 'alg.hiddenFactor or cf.cfDim', new Map(shapes.filter((entry) => !isGate(entry))));
  checkParameterSizes(device, 'gate.hidden', new Map(shapes.filter(isGate)));
}

/** What makes the prompts of each stage. @throws InputError for a template that does not fit the method or the model */
function promptBuilders(
  name: string,
  { config, dataset }: Pick<RunnerContext, 'config' | 'dataset'>,
  tokenizer: Tokenizer,
  context: number,
): PromptBuilder[] {
  const declaration = findDeclaration(name);
  const [cf, options] = [findCfDefinition(config.cf.model), cfOptions(config.cf)];
  const stages = stagesOf(declaration, config.training.strategy, config.prompt.template ?? undefined);
  const titles = dataset.items.map(({ title }) => title);
  const builders = new Map<string, PromptBuilder>();
  return stages.map(({ template }) => {
    const known = builders.get(template);
    if (known) return known;
    const builder = new PromptBuilder(tokenizer, titles, {
      template: fillNoun(template, config.prompt.noun),
      historyLength: config.prompt.historyLength,
      maxLength: Math.min(config.llm.maxLength, context),
      slots: declaration.slots,
      ...(usesCf(declaration) && {
        userHistoryLength: cf.historyLength(options),
        userHistories: cf.histories(dataset, options),
      }),
    });
    if (dataset.itemCount > 0) builder.build({ user: 1, item: 1, history: [] });
    builders.set(template, builder);
    return builder;
  });
}

async function train(name: string, context: RunnerContext, run: RunFolder, parts: HybridParts): Promise<Outcome> {
  const { config, session } = context;
  const { llm, device } = parts;
  const declaration = findDeclaration(name);
  const cf = usesCf(declaration) ? await prepareCf(context, run, device) : null;
  try {
    const { model, norms } = await buildHybridModel(llm, cf?.model ?? null, {
      seed: config.seed,
      lora: config.lora,
      alg: config.alg,
      gate: config.gate,
      slots: declaration.slots,
    });
    try {
      if (norms) session.log.info({ ...norms }, 'mean vector norms');
      return await trainStages(context, run, { ...parts, declaration, model, norms, cf: cf?.details ?? null });
    } finally {
      model.release();
    }
  } finally {
    cf?.model.release();
  }
}

/** What the stages of a training work with. */
interface TrainingParts extends HybridParts {
  readonly declaration: Method;
  readonly model: HybridModel;
  readonly norms: NormReport | null;
  /** Facts of the CF part; null without one. */
  readonly cf: CfDetails | null;
}

async function trainStages(
  context: RunnerContext,
  run: RunFolder,
  { builders, device, declaration, model, norms, cf }: TrainingParts,
): Promise<Outcome> {
  const { config, dataset, session } = context;
  const { log, progress, signal } = session;
  // A trained model reads the prompt of its last stage.
  const builder = builders.at(-1)!;
  const stages = stagesOf(declaration, config.training.strategy);
  const phase = (stage: number) => stages[stage]!.settings;
  const resume = await readHybridCheckpoint(run, stages.length);
  if (resume) log.info(`continuing ${phase(resume.stage)} after step ${resume.step}`);
  const { stage1, stage2 } = config.training;
  const loss = { kind: config.loss.name, k: config.loss.k, bprOn: config.loss.bprOn };
  const { batchTokens } = config.evaluation;
  const shown = new ShownTask();
  /** Tokens of the largest batch by stage. */
  const largest = new Map<number, number>();
  let skippedSteps = resume?.lossScale?.skippedSteps ?? 0;
  let savedBest = resume?.best ? `${resume.best.stage}/${resume.best.step}` : '';
  try {
    const best = await trainHybrid({
      model,
      builders,
      dataset,
      stages,
      settings: { stage1: stageSettings(stage1), stage2: stageSettings(stage2) },
      trainCf: stage2.trainCf,
      activations: config.training.activations,
      cfDropout: { items: stage2.cfDropout, users: stage2.userDropout ?? stage2.cfDropout },
      loss,
      seed: config.seed,
      validRows: config.evaluation.validRows,
      batchTokens,
      checkpointEvery: config.training.checkpointEvery,
      resume,
      signal,
      onStep({ stage, step, totalSteps, loss: value, learningRate, tokens, lossScale }) {
        largest.set(stage, Math.max(tokens, largest.get(stage) ?? 0));
        const scaling = lossScale && { lossScale: lossScale.scale, skippedSteps: lossScale.skippedSteps };
        skippedSteps = lossScale?.skippedSteps ?? 0;
        run.appendMetrics({ phase: phase(stage), step, loss: value, learningRate, tokens, ...scaling });
        shown
          .show(phase(stage), () => progress.start(phase(stage), totalSteps, 'steps', step - 1))
          .update(step, `loss ${value.toFixed(4)}`);
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
        await saveHybridCheckpoint(run, state, bestKey !== savedBest);
        savedBest = bestKey;
      },
    });
    shown.clear();
    const scores: Partial<Record<SplitName, Scores>> = {};
    for (const split of config.evaluation.splits) {
      const rows = evaluatedRows(config, dataset, split);
      const { yes, no } = builder.answers;
      const task = shown.show(split, () => progress.start(`scoring ${split}`, rows.length));
      const values = await scoreRows(
        model,
        builder,
        dataset,
        split,
        rows,
        { ...loss, yesToken: yes, noToken: no },
        {
          batchTokens,
          signal,
          onProgress: (done) => task.update(done),
        },
      );
      scores[split] = logitsToScores(values);
    }
    await writeModelFiles(run, model, config);
    const rowsOf = (settings: StageConfig) => Math.min(settings.rows ?? Infinity, dataset.splits.train.rows);
    return {
      scores,
      details: {
        stages: stages.map(({ settings, trains }) => {
          const { batchSize, epochs } = config.training[settings];
          return { name: settings, trains, rows: rowsOf(config.training[settings]), epochs, batchSize };
        }),
        validRows: Math.min(config.evaluation.validRows ?? Infinity, dataset.splits.valid.rows),
        best: best && { stage: phase(best.stage), step: best.step, validAuc: best.auc },
        norms,
        // Of all stages; with f32 there are none.
        ...(config.training.activations === 'f16' && { skippedSteps }),
        cf,
        memory: {
          used: device.report(),
          // Nothing to compare with when a resumed run had no step left.
          predicted: predictBatches(model, stages, config, largest, cf && cfMemory(config.cf, dataset)),
        },
      },
    };
  } catch (error) {
    // The trainer throws the signal's own reason, which says nothing of ours.
    if (signal.aborted) throw new InterruptedError('interrupted');
    throw error;
  } finally {
    shown.clear();
  }
}

/** The trainer's words for a stage of the config. */
function stageSettings({ betas, optimizer: _, ...stage }: StageConfig): StageSettings {
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
