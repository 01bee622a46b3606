/** @crossgate/report: what a run looks like, as tables and pictures. */
export { type IntervalRow, intervalPanel } from './charts/interval-panel';
export { linePanel, type Point, type Series, smooth } from './charts/line-panel';
export { drawRun, type RunCurves, runCurves } from './charts/run-curves';
export { escapeXml, ink, type Panel, palette, picture } from './charts/svg';
export { metricsTable, rankingTable } from './tables';
