/** Which epoch is the best, and when to stop waiting for a better one. Pure functions. */

/** When a CF training ends. */
export interface EarlyStoppingOptions {
  /** Most epochs, at least 1. */
  readonly epochs: number;
  /** The training stops after this many epochs without a better validation AUC (or criterion), at least 1. */
  readonly patience: number;
  /**
   * Number of first epochs that do not count for patience, at least 0. Plain MF stays near AUC .5 for 100 epochs and
   * more before it rises.
   */
  readonly warmupEpochs: number;
}

/** How far a training has come. It can be written as JSON. */
export interface CfProgress {
  /** Number of epochs done. */
  readonly epoch: number;
  /** Number of optimizer steps done. */
  readonly steps: number;
  /** Epoch (from 1) of the best validation AUC, or criterion; 0 before the first epoch ends. */
  readonly bestEpoch: number;
  /** The best validation AUC, or criterion. Null where no epoch is chosen: the last epoch then counts as the best. */
  readonly bestAuc: number | null;
}

/**
 * Whether `auc` is better than everything before. The earlier of two equal epochs stays the best; null always counts as
 * better.
 */
export function isBest(progress: CfProgress, auc: number | null): boolean {
  return auc === null || progress.bestAuc === null || auc > progress.bestAuc;
}

/** Why training ends after `progress.epoch` epochs; null when it does not. */
export function stopReason(progress: CfProgress, options: EarlyStoppingOptions): 'epochs' | 'patience' | null {
  const { epoch, bestEpoch } = progress;
  if (epoch >= options.epochs) return 'epochs';
  const waited = epoch - Math.max(bestEpoch, options.warmupEpochs);
  return waited >= options.patience ? 'patience' : null;
}
