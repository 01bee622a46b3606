/** Hyperparameter search: grids, random draws, successive halving. */
export { type HalvingOptions, type HalvingRound, halvingRounds } from './halving';
export { explainedShare, groupsOf } from './importance';
export { type BudgetUnit, SWEEP_OBJECTIVES, type SweepObjective } from './objective';
export type { Sweep, SweepBest, SweepImportance, SweepTrial } from './result';
export { SPACE_RULES, type SweepKey, type SweepOption, type SweepRange } from './space';
export { outlineSweep, runSweep, type SweepOptions, type SweepOutline } from './sweep';
export { DEFAULT_TRIALS, type PlannedTrial, type PlanOptions, planTrials, type SweepPlan } from './trials';
