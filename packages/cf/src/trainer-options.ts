/** The settings of a CF model's training, and their check. */
import type { Collective } from '@crossgate/collective';
import { whyNoAuc } from '@crossgate/eval';
import { InputError } from '@crossgate/gpu';
import type { ScheduleOptions } from '@crossgate/tensor';
import type { CfModel } from './backend';
import type { EarlyStoppingOptions } from './early-stopping';
import { type CfLoss, cfLosses } from './losses';
import { sequenceLossName } from './sequence-loss';
import type { ClickColumns } from './training-data';

/** A number of the model after an epoch, higher is better; or `last`, which chooses no epoch. */
export type Criterion = ((model: CfModel) => Promise<number | null>) | 'last';

/** Settings of a `CfTrainer`. */
export interface CfTrainerOptions
  extends EarlyStoppingOptions,
    Pick<ScheduleOptions, 'warmupSteps' | 'warmupStart' | 'schedule' | 'minLearningRate'> {
  /**
   * Learning rate, above 0, e.g. 1e-3. Constant by default. A warm-up rises to it, and a cosine falls from it until the
   * last of `epochs`.
   */
  readonly learningRate: number;
  /**
   * L2 decay, at least 0, e.g. 1e-4. With `adam` it is coupled and reaches every row of the tables in every step, as in
   * torch.optim.Adam.
   */
  readonly weightDecay: number;
  /** Number of rows per step, at least 1, e.g. 1024. The last batch of an epoch may be shorter. */
  readonly batchSize: number;
  /**
   * What is minimized. Default `bce`, on the labels of all rows. The other losses learn from positive rows alone.
   * `sequence-bce`, SASRec's published loss, takes each user's train sequence at all positions at once: one row of a
   * batch is then one user.
   */
  readonly loss?: CfLoss | typeof sequenceLossName;
  /** `adam` (default) couples the weight decay with the gradient, `adamw` decouples it. */
  readonly optimizer?: 'adam' | 'adamw';
  /** Decay rates of the first and the second moment, each in [0, 1). Default .9 and .999. */
  readonly betas?: readonly [number, number];
  /**
   * Chooses the best epoch; higher is better. For example NDCG, where all labels are 1 and AUC is not defined. `last`
   * chooses none: the last epoch stands. Default: the validation AUC; without validation rows `last`.
   */
  readonly criterion?: Criterion;
  /**
   * The ranks that train together, each with a model of the same values: every rank takes a share of each batch, and the
   * gradients are summed, so the update is that of one rank. What chooses the epoch is rank 0's. Default: this one alone.
   */
  readonly collective?: Collective;
  /** Seed of the order of rows, of the negatives and of the dropout; every epoch draws anew. */
  readonly seed: number;
}

/** Checks the settings of a training. @throws InputError naming the first option that is out of range. */
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
  const ranks = options.collective?.size ?? 1;
  if (batchSize < ranks) {
    throw new InputError(`${batchSize} rows are no batch for ${ranks} ranks`, {
      code: 'config.value',
      place: 'cf.batchSize',
      fix: `raise it to ${ranks} or more, or start fewer ranks`,
    });
  }
  // Without type checks, a misspelled word would count as the default.
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

/**
 * What an epoch is chosen by, where the default is filled in.
 *
 * @throws InputError where validation rows are of one class, so that their AUC is not defined
 */
export function criterionOf({ label }: ClickColumns, criterion: Criterion | undefined): Criterion | 'auc' {
  if (criterion !== undefined) return criterion;
  if (label.length === 0) return 'last';
  const why = whyNoAuc(label);
  if (why === null) return 'auc';
  throw new InputError(`valid ${why}: the AUC that the best epoch is chosen by is not defined`, {
    fix: "give a criterion, such as NDCG by evaluateRanking, or 'last' to keep the last epoch",
  });
}
