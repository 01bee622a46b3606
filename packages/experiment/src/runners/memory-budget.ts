/** Whether a training fits the memory that the device may take, predicted before any of it is taken. */

import type { CfMemory } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import {
  fusionParameterShapes,
  type GroupName,
  gateOf,
  type HybridModel,
  learnedShapes,
  learnedVectors,
  type MemoryPlan,
  type Method as MethodDeclaration,
  type PromptBuilder,
  planMemory,
  promptOfRow,
  type StageDeclaration,
  stagesOf,
  usesCf,
} from '@crossgate/fusion';
import { type Device, formatBytes } from '@crossgate/gpu';
import { deviceBudget } from '@crossgate/gpu/node';
import {
  type LlamaConfig,
  loraParameterShapes,
  rotaryRows,
  smallerWeights,
  type WeightSource,
  weightBytes,
} from '@crossgate/llm';
import type { ParameterGroup } from '@crossgate/tensor';
import type { ExperimentConfig } from '../config/schema';
import { cfMemory, cfShapes, type ParameterShapes } from './parameter-sizes';
import type { RunnerContext } from './runner';

/** Training rows whose prompts are built to know how long prompts are. */
const SAMPLE = 64;

const valuesOf = (shapes: ParameterShapes): number =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, length) => product * length, 1), 0);

const valuesOfGroup = ({ sections }: ParameterGroup): number => sections.reduce((sum, { count }) => sum + count, 0);

/** Values of the parameter groups that a run has, by name. */
type GroupSizes = ReadonlyMap<GroupName, number>;

/** What is the same for all stages of a training. */
interface Training {
  readonly config: ExperimentConfig;
  readonly llm: LlamaConfig;
  readonly weightBytes: number;
  readonly maxPositions: number;
  readonly stages: readonly StageDeclaration[];
  readonly sizes: GroupSizes;
  /** Of the CF models beside their parameters. */
  readonly cf: readonly CfMemory[];
}

/**
 * The memory of the stage that takes most of it. Fewer tokens may take more: a stage has moments of what it trains.
 * @param tokensOf tokens of a stage's largest batch; undefined for a stage that is left out
 */
function largestStage(
  { config, llm, weightBytes, maxPositions, stages, sizes, cf }: Training,
  tokensOf: (stage: number) => number | undefined,
): MemoryPlan | null {
  let largest: MemoryPlan | null = null;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const trains = (stage: StageDeclaration, name: GroupName) =>
    stage.trains.includes(name) && (name !== 'cf' || config.training.stage2.trainCf);
  stages.forEach((stage, index) => {
    const tokens = tokensOf(index);
    if (tokens === undefined) return;
    const plan = planMemory({
      llm,
      weightBytes,
      maxPositions,
      parameters: sum([...sizes.values()]),
      trained: sum([...sizes].map(([name, size]) => (trains(stage, name) ? size : 0))),
      loraRank: config.lora.rank,
      loraTargets: config.lora.targets,
      ...(cf.length > 0 && {
        cf: {
          persistent: sum(cf.map(({ persistent }) => persistent)),
          held: trains(stage, 'cf') ? sum(cf.map(({ held }) => held)) : 0,
          peak: sum(cf.map(({ peak }) => peak)),
        },
      }),
      tokens,
      prompts: config.training[stage.settings].batchSize,
      checkpointing: config.training.checkpointing,
      activations: config.training.activations,
    });
    if (largest === null || plan.total > largest.total) largest = plan;
  });
  return largest;
}

/**
 * Predicts the memory of a training from its config, for batches of prompts of mean length.
 * @param config the run's, or the same with other keys of `training` and `llm`
 * @param builders of the prompts of each stage
 * @param contexts of the CF backends
 * @returns null for a method that is not trained
 */
export function predictTraining(
  { dataset }: Pick<RunnerContext, 'dataset'>,
  config: ExperimentConfig,
  { config: llm, tensors }: Pick<WeightSource, 'config' | 'tensors'>,
  builders: readonly PromptBuilder[],
  declaration: MethodDeclaration,
  contexts: readonly Pick<RunnerContext, 'config'>[],
): MemoryPlan | null {
  const { rows } = dataset.splits.train;
  const sampled = Math.min(rows, SAMPLE);
  /** Tokens of the sampled prompts of a stage. */
  const tokensOf = (builder: PromptBuilder) => {
    let tokens = 0;
    for (let i = 0; i < sampled; i++) {
      tokens += promptOfRow(builder, dataset, 'train', Math.floor((i * rows) / sampled)).tokenIds.length;
    }
    return tokens;
  };
  const sizes = new Map<GroupName, number>([['lora', valuesOf(loraParameterShapes(llm, config.lora))]]);
  const learned = learnedShapes(learnedVectors(declaration.slots), llm.hiddenSize);
  if (learned.size > 0) sizes.set('learned', valuesOf(learned));
  const add = (name: GroupName, values: number) => sizes.set(name, (sizes.get(name) ?? 0) + values);
  for (const { cf } of contexts.map((context) => context.config)) {
    const shape = { cfDim: cf.cfDim, hiddenSize: llm.hiddenSize };
    const gate = gateOf(config.gate, declaration.slots);
    if (usesCf(declaration)) add('fusion', valuesOf(fusionParameterShapes(shape, config.alg, gate)));
    add('cf', valuesOf(cfShapes(cf, dataset)));
  }
  const declared = stagesOf(declaration, config.training.strategy);
  const training = {
    ...{ config, llm, sizes, stages: declared },
    cf: contexts.map((context) => cfMemory(context.config.cf, dataset)),
    weightBytes: weightBytes(llm, config.llm.weights, (name) => tensors.get(name)?.dtype ?? 'F32'),
    maxPositions: rotaryRows(llm, config.llm.maxLength),
  };
  const batchSize = (stage: number) => config.training[declared[stage]!.settings].batchSize;
  return largestStage(training, (stage) =>
    Math.ceil((tokensOf(builders[stage]!) / Math.max(1, sampled)) * batchSize(stage)),
  );
}

/**
 * What the largest batches of a training should have taken, from shapes alone.
 * @param tokens tokens of each stage's largest batch
 * @param cf memory of each CF model beside its parameters
 * @returns null when no stage has run
 */
export function predictBatches(
  model: HybridModel,
  stages: readonly StageDeclaration[],
  config: ExperimentConfig,
  tokens: ReadonlyMap<number, number>,
  cf: readonly CfMemory[],
): MemoryPlan | null {
  const sizes = new Map(
    [...model.groups()].map(([name, groups]) => [name, groups.reduce((sum, group) => sum + valuesOfGroup(group), 0)]),
  );
  const { config: llm, weightBytes } = model.llm;
  const maxPositions = rotaryRows(llm, config.llm.maxLength);
  return largestStage({ config, llm, weightBytes, maxPositions, stages, sizes, cf }, (stage) => tokens.get(stage));
}

/** The same training in less memory, from the change that costs least, in the words of a message. */
function frugalConfigs(config: ExperimentConfig): [string, ExperimentConfig][] {
  const frugal = { ...config, training: { ...config.training, checkpointing: true } };
  const { checkpointing } = config.training;
  const first = 'training.checkpointing: true';
  return [
    ...(checkpointing ? [] : ([[first, frugal]] satisfies [string, ExperimentConfig][])),
    ...smallerWeights.map((weights): [string, ExperimentConfig] => [
      `${checkpointing ? '' : `${first} and `}llm.weights: ${weights}`,
      { ...frugal, llm: { ...config.llm, weights } },
    ]),
  ];
}

/**
 * Checks a training against the device's budget; on hardware without one, everything passes.
 * @param predict the plan of a config
 * @throws InputError with the sizes, what would fit, and the keys that lower them
 */
export function checkBudget(
  device: Pick<Device, 'memory' | 'capabilities'>,
  config: ExperimentConfig,
  predict: (config: ExperimentConfig) => MemoryPlan | null,
): void {
  const { bytes: budget, origin } = deviceBudget(device);
  const plan = predict(config);
  if (plan === null || plan.total <= budget) return;
  const fitting = frugalConfigs(config)
    .map(([words, changed]) => [words, predict(changed)!.total] as const)
    .find(([, total]) => total <= budget);
  const hint = fitting ? `with ${fitting[0]} it would take ${formatBytes(fitting[1])}; or ` : '';
  const parts = (['weights', 'parameters', 'optimizer', 'cf', 'step'] as const)
    .filter((name) => name !== 'cf' || plan.cf > 0)
    .map((name) => `${name} ${formatBytes(plan[name])}`);
  throw new InputError(
    `the training would take about ${formatBytes(plan.total)} (${parts.join(', ')}) of ${formatBytes(budget)}${origin}`,
    {
      code: 'memory.exceeded',
      fix: `${hint}lower training.stage1.batchSize and training.stage2.batchSize or prompt.historyLength, or raise CROSSGATE_MEMORY_BUDGET`,
    },
  );
}
