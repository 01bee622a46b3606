/** @crossgate/experiment/paper: every table and figure of the paper as experiments that run, each once. */
export type { CaseItem, CaseStudy } from './case-study';
export { type ControlledClaim, type ControlTest, type PairedDifference, testControls } from './claims';
export { type PaperCost, paperCosts } from './costs';
export { backendLabels, type PaperBackend, type PaperExperiment, paperExperiments } from './experiments';
export { type PaperCell, type PaperPlan, rowsOf, trainedRowsOf } from './plan';
export { type PaperProfile, paperProfiles } from './profiles';
export {
  type DatasetStatistics,
  type MappedRun,
  type ReproducedRow,
  type ReproduceOptions,
  type Reproduction,
  reproducePaper,
} from './reproduce';
export type { Resampled } from './resampled';
export { type PaperDataset, type PaperPart, type PaperRow, paperParts, paperRows } from './tables';
