/** @crossgate/experiment: from a config to a result. Node only; packages that use a GPU are loaded when a method needs them. */
export { type AdapterPlace, locateAdapter } from './adapters';
export * from './batch';
export { type ComparedMethod, type Comparison, comparedRankingMetrics, compareRuns } from './comparison';
export * from './config';
export { evaluatedRows, pick } from './evaluated-rows';
export { defaultRunFolder, type ExperimentResult, ResumableError, type RunOptions, runExperiment } from './experiment';
export { exportChats } from './export-chats';
export { firstStageScores } from './first-stage-scores';
export { type GridCell, type GridOptions, gridCells, runGrid } from './grid';
export { hasPlus, plusNote, type SeenInformation } from './information';
export { fusedItemEmbeddings } from './item-embeddings';
export type { LentModel } from './lent-model';
export { canBeLive } from './live/live-models';
export type * from './live/live-run';
export type { NewerFiles } from './live/newer-files';
export { type LiveIds, type LiveRunOptions, openLiveRun, refuseNewer } from './live/open-live-run';
export { dataHome, locateDataset, locateModel, openDataFolder, type Surroundings } from './locate';
export { type OpenRun, openRun, openRunFiles, type RunFiles } from './open-run';
export * from './paper';
export {
  evaluatePredictions,
  formatPredictions,
  type Predictions,
  predictionsOf,
  readPredictions,
  type Scores,
} from './predictions';
export type { OpenRunner, Outcome, RankingOfSplits, Runner, RunnerContext } from './runners';
export type { BackendEmbeddings, ItemEmbeddings } from './runners/embed-items';
export type { BestItems, BestOptions, Pairs, Scorer } from './runners/scorer';
export { MetricsLog, type MetricsRecord, readMetrics } from './runs/metrics-log';
export { type PeakMemory, processPeak } from './runs/peak-memory';
export { readResult, type StoredResult } from './runs/result';
export { type Checkpoint, type Provenance, RunFolder, type RunState, storedProvenance } from './runs/run-folder';
export { openSession, type Session, type SessionOptions } from './session';
export * from './sweep';
