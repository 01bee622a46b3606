/** Whether a training fits the memory that the device may take, predicted before any of it is taken. */
import { matrixFactorizationShapes } from '@crossgate/cf';
import { fusionParameterShapes, type MemoryPlan, type PromptBuilder, planMemory, promptOfRow } from '@crossgate/fusion';
import { type Device, formatBytes } from '@crossgate/gpu';
import { type LlamaConfig, loraParameterShapes } from '@crossgate/llm';
import { InputError } from '../errors';
import type { MethodContext } from './method';
import type { ParameterShapes } from './parameter-sizes';

/** Training rows whose prompts are built to know how long prompts are. */
const SAMPLE = 64;

const valuesOf = (shapes: ParameterShapes): number =>
  [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, length) => product * length, 1), 0);

/**
 * Predicts the memory of a training from its config, for batches of prompts of mean length.
 * @param usesCf whether the method has vectors of users and items beside LoRA
 */
export function predictTraining(
  { config, dataset }: Pick<MethodContext, 'config' | 'dataset'>,
  llm: LlamaConfig,
  builder: PromptBuilder,
  usesCf: boolean,
): MemoryPlan {
  const { rows } = dataset.splits.train;
  const sampled = Math.min(rows, SAMPLE);
  let tokens = 0;
  for (let i = 0; i < sampled; i++) {
    tokens += promptOfRow(builder, dataset, 'train', Math.floor((i * rows) / sampled)).tokenIds.length;
  }
  const { stage1, stage2, checkpointing } = config.training;
  const batchSize = Math.max(stage1.batchSize, usesCf ? stage2.batchSize : 0);
  const lora = valuesOf(loraParameterShapes(llm, config.lora));
  const { cfDim } = config.cf;
  const fusion = usesCf
    ? valuesOf(fusionParameterShapes({ cfDim, hiddenSize: llm.hiddenSize }, config.alg, config.gate)) +
      valuesOf(matrixFactorizationShapes(dataset.userCount, dataset.itemCount, cfDim))
    : 0;
  return planMemory({
    llm,
    maxPositions: Math.min(llm.maxPositions, config.llm.maxLength),
    parameters: lora + fusion,
    trained: Math.max(lora, fusion),
    loraRank: config.lora.rank,
    tokens: Math.ceil((tokens / Math.max(1, sampled)) * batchSize),
    prompts: batchSize,
    checkpointing,
  });
}

/**
 * Checks a prediction against the device's budget; without one, everything passes.
 * @param checkpointing whether the plan has it already
 * @throws InputError with the sizes and the keys that lower them
 */
export function checkBudget(device: Pick<Device, 'memory'>, plan: MemoryPlan, checkpointing: boolean): void {
  const { budget } = device.memory;
  if (plan.total <= budget) return;
  const parts = (['weights', 'parameters', 'optimizer', 'step'] as const).map(
    (name) => `${name} ${formatBytes(plan[name])}`,
  );
  throw new InputError(
    `the training would take about ${formatBytes(plan.total)} (${parts.join(', ')}) of ${formatBytes(budget)}; ` +
      `${checkpointing ? '' : 'set training.checkpointing, '}lower training.stage1.batchSize and training.stage2.batchSize or prompt.historyLength, or raise CROSSGATE_MEMORY_BUDGET`,
  );
}
