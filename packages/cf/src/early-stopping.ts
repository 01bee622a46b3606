/** Which epoch is the best, and when to give up waiting for a better one. Pure. */

export interface EarlyStoppingOptions {
  /** Most epochs. */
  readonly epochs: number;
  /** Stop after this many epochs without a better validation AUC, or criterion. */
  readonly patience: number;
  /** Epochs that patience does not count: plain MF stays near AUC .5 for 100 and more before it rises. */
  readonly warmupEpochs: number;
}

/** How far a training has come. JSON. */
export interface CfProgress {
  /** Epochs done. */
  readonly epoch: number;
  /** Optimizer steps done. */
  readonly steps: number;
  /** Epoch (from 1) of the best validation AUC, or criterion; 0 before the first. */
  readonly bestEpoch: number;
  /** The best AUC, or criterion. Null where AUC is not defined: no validation rows, or one class only. Then the last epoch is the best. */
  readonly bestAuc: number | null;
}

/** Whether `auc` beats everything before. Ties go to the earlier epoch. */
export function isBest(progress: CfProgress, auc: number | null): boolean {
  return auc === null || progress.bestAuc === null || auc > progress.bestAuc;
}

/** Whether training ends after `progress.epoch` epochs, and why. */
export function stopReason(progress: CfProgress, options: EarlyStoppingOptions): 'epochs' | 'patience' | null {
  const { epoch, bestEpoch } = progress;
  if (epoch >= options.epochs) return 'epochs';
  const waited = epoch - Math.max(bestEpoch, options.warmupEpochs);
  return waited >= options.patience ? 'patience' : null;
}
