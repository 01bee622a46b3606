// Learning rates over the steps of a run.

/** How the learning rate changes over the steps of a run. */
export interface ScheduleOptions {
  /** Rate after warm-up. */
  readonly learningRate: number;
  /** Number of steps over which the rate rises linearly. Default 0. */
  readonly warmupSteps?: number;
  /** Rate of step 0, at the start of the warm-up. Default 0. */
  readonly warmupStart?: number;
  /**
   * Rate after warm-up: `constant`, or half a `cosine` from `learningRate` down to `minLearningRate` at `totalSteps`
   * (Loshchilov & Hutter 2017, SGDR, without restarts). Default constant.
   */
  readonly schedule?: 'constant' | 'cosine';
  /** Number of steps of the run, warm-up included. `cosine` needs it. */
  readonly totalSteps?: number;
  /** Rate at which `cosine` ends. Default 0. */
  readonly minLearningRate?: number;
}

/** The learning rate of a step. Pure. @param step counted from 0. */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { learningRate, warmupSteps = 0, warmupStart = 0, schedule = 'constant', minLearningRate = 0 } = options;
  if (step < warmupSteps) return warmupStart + ((learningRate - warmupStart) * step) / warmupSteps;
  if (schedule === 'constant') return learningRate;
  const span = Math.max(1, (options.totalSteps ?? warmupSteps + 1) - warmupSteps);
  const progress = Math.min(1, (step - warmupSteps) / span);
  return minLearningRate + 0.5 * (learningRate - minLearningRate) * (1 + Math.cos(Math.PI * progress));
}
