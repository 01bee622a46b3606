export type { CfBackend, CfEmbeddings, CfModel } from './backend';
export {
  type Baseline,
  type BaselineName,
  type BaselineOptions,
  baselines,
  type InformationClass,
  logOdds,
  scoreBaseline,
} from './baselines';
export { type CfProgress, type EarlyStoppingOptions, isBest, stopReason } from './early-stopping';
export {
  MatrixFactorization,
  type MatrixFactorizationOptions,
  matrixFactorizationShapes,
} from './matrix-factorization';
export { type SeenFlags, seenInTrain } from './seen';
export {
  type CfEpochReport,
  CfTrainer,
  type CfTrainerOptions,
  type CfTrainHooks,
  type CfTrainingData,
  type CfTrainingResult,
  type ClickColumns,
} from './trainer';
export { type CfTrainingState, encodeTrainingState, parseTrainingState } from './training-state';
