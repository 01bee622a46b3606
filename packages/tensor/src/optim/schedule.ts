// Learning rates over the steps of a run.

export interface ScheduleOptions {
  /** Rate after warm-up. */
  readonly learningRate: number;
  /** Steps of linear warm-up; 0 for none. */
  readonly warmupSteps?: number;
  /** Rate at which warm-up starts. Default 0. */
  readonly warmupStart?: number;
  /** `constant` after warm-up, or `cosine` down to `minLearningRate` at `totalSteps`. Default constant. */
  readonly schedule?: 'constant' | 'cosine';
  readonly totalSteps?: number;
  /** Default 0. */
  readonly minLearningRate?: number;
}

/** The rate of a step, counted from 0. */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { learningRate, warmupSteps = 0, warmupStart = 0, schedule = 'constant', minLearningRate = 0 } = options;
  if (step < warmupSteps) return warmupStart + ((learningRate - warmupStart) * step) / warmupSteps;
  if (schedule === 'constant') return learningRate;
  const span = Math.max(1, (options.totalSteps ?? warmupSteps + 1) - warmupSteps);
  const progress = Math.min(1, (step - warmupSteps) / span);
  return minLearningRate + 0.5 * (learningRate - minLearningRate) * (1 + Math.cos(Math.PI * progress));
}
