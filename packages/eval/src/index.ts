/** @crossgate/eval: click and ranking metrics, intervals, tests, tables. Pure. */

export { InputError } from '@crossgate/core';
export { auc, gauc, perUserAuc, type ScoredRows, type UserAuc, uauc, whyNoAuc } from './auc';
export {
  type BootstrapOptions,
  type BootstrapResult,
  bootstrapClicks,
  bootstrapUsers,
  meanBootstrap,
  type PairedBootstrapTest,
  pairedBootstrapTest,
  type UserSample,
} from './bootstrap';
export { type Calibration, type CalibrationBin, calibration } from './calibration';
export { type CandidateOptions, sampleCandidates, type TopItemsOptions, topItems } from './candidates';
export {
  type ClickMetrics,
  type ClickRows,
  evaluateClicks,
  logLoss,
  relativeImprovement,
  type SplitMetrics,
} from './clicks';
export type { NumberColumn } from './columns';
export { type AucInterval, deLongInterval, deLongTest, deLongTestOfMeans, type PairedAucTest } from './delong';
export { normalQuantile, normalUpperTail } from './normal';
export { type Random, seededRandom } from './random';
export {
  type ItemList,
  perUserRanking,
  type RankingLists,
  type RankingMetrics,
  type RankingOptions,
  type RepeatRule,
  rankingMetrics,
  repeatRules,
  type UserRanking,
} from './ranking';
export { type RocPoint, rocCurve } from './roc';
export {
  formatSeeds,
  holmAdjust,
  type SeedSummary,
  type SignedRankTest,
  signedRankTest,
  summarizeSeeds,
} from './significance';
export { type PointMatrix, type TSneMap, type TSneOptions, tSne } from './t-sne';
export { renderTable, type TableCell, type TableColumn, type TableFormat } from './table';
