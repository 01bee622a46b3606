export {
  AsymmetricSvd,
  type AsymmetricSvdOptions,
  type AsymmetricSvdShape,
  asymmetricSvdMemory,
  asymmetricSvdShapes,
  type LevelUpdates,
} from './asymmetric-svd';
export type {
  AllItems,
  CfBackend,
  CfEmbeddings,
  CfMemory,
  CfModel,
  HistoryOf,
  UserBatch,
  UserScorer,
} from './backend';
export { type BaselineOptions, type BaselineScorer, baselineScorer, logOdds, scoreBaseline } from './baselines';
export { type ClickHistory, clickHistories, positiveHistories, type UserHistories } from './click-history';
export { type CfControl, type ControlBackend, cfControls, controlBackend } from './controls';
export type {
  CfChoiceOption,
  CfModelName,
  CfNumberOption,
  CfOption,
  CfOptions,
  CfOptionValues,
  CfRange,
  CfSwitchOption,
} from './declarations';
export { type CfCreateOptions, type CfDefinition, type CfSizes, noMemory } from './definition';
export { cfDefinitionOfState, cfDefinitions, findCfDefinition } from './definitions';
export { epochOrder } from './device-batches';
export { type CfProgress, type EarlyStoppingOptions, isBest, stopReason } from './early-stopping';
export { exportEmbeddings, itemBiases, readVectors, type VectorBatch } from './embeddings';
export { checkRanking, evaluateRanking, type RankingProtocol, type RankingResult } from './evaluate-ranking';
export {
  type Clicks,
  type FoldedUser,
  type FoldInLoss,
  type FoldInProblem,
  foldIn,
  type UserFolding,
  type UserPrior,
} from './fold-in';
export { cfModelFromState } from './from-state';
export { learnedRows } from './learned-rows';
export { type InteractionGraph, LightGcn, type LightGcnOptions, lightGcnMemory } from './light-gcn';
export { type CfLoss, cfLosses } from './losses';
export {
  MatrixFactorization,
  type MatrixFactorizationOptions,
  matrixFactorizationShapes,
} from './matrix-factorization';
export { PairScores, vectorScorer } from './pair-scores';
export { itemPopularity, knowsUser } from './popularity';
export { type RankingTargets, rankingTargets } from './ranking-targets';
export {
  addedCfModels,
  type Baseline,
  type BaselineName,
  baselines,
  type CfDeclaration,
  cfDeclarations,
  type InformationClass,
  registerCfModel,
} from './registry';
export { SasRec, type SasRecOptions, type SasRecShape, sasRecShapes } from './sas-rec';
export { positiveEdges, type SeenFlags, seenInTrain } from './seen';
export { type SequenceBatch, sequenceLoss } from './sequence-loss';
export { spectralVectors } from './spectral';
export { addFlags, fitsBindings, itemFlags, readFlags, requireTensor, unseenMask, userFlags } from './tables';
export { type TopItems, type TopItemsOptions, topItems } from './top-items';
export {
  type CfEpochReport,
  CfTrainer,
  type CfTrainHooks,
  type CfTrainingResult,
} from './trainer';
export type { CfTrainerOptions, Criterion } from './trainer-options';
export type { CfTrainingData, ClickColumns } from './training-data';
export { type CfTrainingState, encodeTrainingState, parseTrainingState } from './training-state';
