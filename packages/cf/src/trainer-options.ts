/** The settings of a CF model's training, and their check. */
import { InputError } from '@crossgate/gpu';
import type { ScheduleOptions } from '@crossgate/tensor';
import type { CfModel } from './backend';
import type { EarlyStoppingOptions } from './early-stopping';
import { type CfLoss, cfLosses } from './losses';
import { sequenceLossName } from './sequence-loss';

export interface CfTrainerOptions
  extends EarlyStoppingOptions,
    Pick<ScheduleOptions, 'warmupSteps' | 'warmupStart' | 'schedule' | 'minLearningRate'> {
  /** Adam's, e.g. 1e-3; after a warm-up, and before a cosine, which ends with the last of `epochs`. Constant by default. */
  readonly learningRate: number;
  /** Coupled L2, on every row of the tables in every step, as torch.optim.Adam does. E.g. 1e-4. */
  readonly weightDecay: number;
  /** Rows per step, e.g. 1024. The last batch of an epoch is shorter. */
  readonly batchSize: number;
  /**
   * Default `bce`. The others learn from the positive rows alone; `sequence-bce`, SASRec's published loss, from each user's
   * train sequence at all positions at once: a row of a batch is then a user.
   */
  readonly loss?: CfLoss | typeof sequenceLossName;
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

/** @throws InputError naming the first option that is out of range. */
export function checkOptions(options: CfTrainerOptions): void {
  const { learningRate, weightDecay, batchSize, epochs, patience, warmupEpochs, betas } = options;
  for (const [name, value, minimum] of [
    ['batchSize', batchSize, 1],
    ['epochs', epochs, 1],
    ['patience', patience, 1],
    ['warmupEpochs', warmupEpochs, 0],
    ['warmupSteps', options.warmupSteps ?? 0, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < minimum) {
      throw new InputError(`${name} ${value} is not a whole number of at least ${minimum}`);
    }
  }
  // A misspelled word would be taken for the default where nothing checks types.
  for (const [name, value, words] of [
    ['loss', options.loss, [...cfLosses, sequenceLossName]],
    ['optimizer', options.optimizer, ['adam', 'adamw']],
    ['schedule', options.schedule, ['constant', 'cosine']],
  ] as const) {
    if (value !== undefined && !words.some((word) => word === value)) {
      throw new InputError(`${name} ${JSON.stringify(value)} is not one of ${words.join(', ')}`);
    }
  }
  if (!(learningRate > 0 && Number.isFinite(learningRate))) {
    throw new InputError(`learningRate ${learningRate} is not above 0`);
  }
  for (const [name, value] of Object.entries({
    warmupStart: options.warmupStart,
    minLearningRate: options.minLearningRate,
  })) {
    if (value !== undefined && !(value >= 0 && Number.isFinite(value))) {
      throw new InputError(`${name} ${value} is not at least 0`);
    }
  }
  if (betas?.some((beta) => !(beta >= 0 && beta < 1)))
    throw new InputError(`betas ${betas.join(', ')} are not in [0, 1)`);
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay))) {
    throw new InputError(`weightDecay ${weightDecay} is not at least 0`);
  }
}
