/** @crossgate/report: what a run looks like, as tables and pictures. */

export { type IntervalRow, intervalPanel } from './charts/interval-panel';
export { drawItemMap, type EmbeddingKind, embeddingKinds, type ItemMap } from './charts/item-map';
export { linePanel, type Point, type Series, smooth } from './charts/line-panel';
export { type AxisLabels, ink, type Panel, palette, picture } from './charts/picture';
export { type PngOptions, picturePng } from './charts/png';
export { drawRun, type RunCurves, runCurves } from './charts/run-curves';
export { mapPanel, type ScatterGroup, scatterPanel } from './charts/scatter-panel';
export { unitPanel } from './charts/unit-panel';
export { type ValueDot, valuePanel } from './charts/value-panel';
export { type ReportOptions, type ReportPage, reportPage } from './page/page';
export type { MissingPart } from './page/parts';
export type { RunPlace } from './page/read-run';
export { costTable, figure3, formatPaperTable, type PaperTable, paperCsv, paperTables } from './paper';
export { paperFiles } from './paper-files';
export { sweepCsv, sweepPicture, sweepTable } from './sweep';
export { metricsTable, rankingTable } from './tables';
