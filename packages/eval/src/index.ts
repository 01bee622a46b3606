/** @crossgate/eval: click metrics, DeLong intervals and tests, tables. Pure; no dependencies. */
export { auc, perUserAuc, type ScoredRows, type UserAuc, uauc } from './auc';
export {
  type ClickMetrics,
  type ClickRows,
  evaluateClicks,
  logLoss,
  relativeImprovement,
  type SplitMetrics,
} from './clicks';
export type { NumberColumn } from './columns';
export { type AucInterval, deLongInterval, deLongTest, type PairedAucTest } from './delong';
export { InputError } from './errors';
export { normalQuantile, normalUpperTail } from './normal';
export { renderTable, type TableCell, type TableColumn } from './table';
