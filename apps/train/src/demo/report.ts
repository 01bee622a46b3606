/** What a demo leaves to read: the table, the report and the picture. */
import { decimals, formatDuration } from '@crossgate/core';
import { renderTable, type TableCell, type TableFormat } from '@crossgate/eval';
import type { MetricsRecord } from '@crossgate/experiment';
import {
  ink,
  intervalPanel,
  linePanel,
  type Panel,
  palette,
  picture,
  type RunCurves,
  runCurves,
  smooth,
} from '@crossgate/report';
import { CURVES_FILE } from './folder';
import type { DemoMeasures, DemoResult, DemoScore } from './measure';
import { type DemoMethod, demoMethods, demoOracleRows } from './methods';

/** Methods, then oracles as ceilings. */
export function demoTable(
  { methods, oracles }: Pick<DemoMeasures, 'methods' | 'oracles'>,
  format: TableFormat,
): string {
  const row = (label: string, sees: string, { auc, auc95, uauc, warm, cold }: DemoScore): TableCell[] => {
    const interval = auc95 === null ? null : `${decimals(auc95[0], 3)}–${decimals(auc95[1], 3)}`;
    return [label, sees, auc, interval, uauc, warm, cold];
  };
  return renderTable(
    ['method', 'what it sees', 'test AUC', '95 %', 'UAUC', 'warm AUC', 'cold AUC'],
    [
      ...demoMethods.flatMap(({ key, label, sees }) => (methods[key] ? [row(label, sees, methods[key])] : [])),
      ...demoOracleRows.map(({ key, label, sees }) => row(label, sees, oracles[key])),
    ],
    format,
  );
}

/** The table and the sentence, for a terminal. */
export function demoText(result: DemoResult): string {
  const { rows, seconds, summary, report } = result;
  return `Test AUC on ${rows} rows, after ${formatDuration(seconds)} of training and scoring:

${demoTable(result, 'text')}

${summary}
Report: ${report}`;
}

/** The report in Markdown. Links are relative to the demo's folder. */
export function demoReport(result: DemoResult, facts: { version: string; hash: string; date: string }): string {
  const { seconds, adapter, seed, rows, methods, summary } = result;
  const times = demoMethods
    .filter(({ key }) => methods[key])
    .map(({ key, label }) => `[${label}](${key}/result.json) ${formatDuration(methods[key]!.seconds)}`);
  return `# CCF-LLM on a generated world

${summary}

${demoTable(result, 'markdown')}

![Test AUC of every method, and the curves of the trained ones](${CURVES_FILE})

MF learns from who liked what, the text-only LLM from titles; CCF-LLM puts MF's vectors into the titles' embeddings. The
oracles know parts of how the world was made and are ceilings. Warm rows have a user and an item that were trained on, cold
rows lack one of the two. Intervals are DeLong's, the difference is paired on the same ${rows} test rows.

| | |
|---|---|
| seed | ${seed} |
| adapter | ${adapter ?? '–'} |
| time | ${formatDuration(seconds)}: ${times.join(', ')} |
| data | demo, ${facts.hash} |
| version | crossgate ${facts.version}, ${facts.date} |

Every method has its run folder beside this file, with its config, log, predictions and result.
`;
}

/** Records of the runs by method. */
export type DemoRecords = Readonly<Record<string, readonly MetricsRecord[]>>;

/** Losses of single batches are noise: a curve is drawn through so many means. */
const CURVE_POINTS = 80;

/** Colors of the methods that are trained. */
const colors: Readonly<Record<string, string>> = { mf: palette[2]!, text: palette[1]!, ccf: palette[0]! };

/** The picture: all test AUCs, then validation AUC and loss of what was trained. */
export function demoPicture(
  { methods, oracles }: Pick<DemoMeasures, 'methods' | 'oracles'>,
  records: DemoRecords,
): Promise<string> {
  const bars = [
    ...demoMethods.map(({ key, label }) => ({ name: label, score: methods[key], color: colors[key] ?? ink })),
    ...demoOracleRows.map(({ key, label }) => ({ name: label, score: oracles[key], color: ink })),
  ].flatMap(({ name, score, color }) =>
    score === undefined || score.auc === null ? [] : [{ name, value: score.auc, interval: score.auc95, color }],
  );
  const curves = new Map<DemoMethod, RunCurves>();
  for (const method of demoMethods) curves.set(method, runCurves(records[method.key] ?? []));
  const trained = (stepUnit: boolean) =>
    [...curves].filter(([, { phases }]) => phases.length > 0 && phases.includes('cf') !== stepUnit);
  const steps = trained(true);
  const breaks = steps.flatMap(([, run]) => run.breaks);
  const panel = (label: string, key: 'loss' | 'validAuc', runs: typeof steps, marks: readonly number[]): Panel[] => {
    const series = runs.flatMap(([method, run]) =>
      run[key].length === 0
        ? []
        : [{ name: method.label, points: smooth(run[key], CURVE_POINTS), color: colors[method.key] ?? ink }],
    );
    return series.length === 0 ? [] : [linePanel(label, series, marks)];
  };
  const byStep = breaks.length > 0 ? 'by step, dashed where stage 2 begins' : 'by step';
  return picture('The demo', 'CCF-LLM on a generated world', [
    ...(bars.length === 0 ? [] : [intervalPanel('test AUC with 95 % intervals', bars)]),
    ...panel('validation AUC by epoch', 'validAuc', trained(false), []),
    ...panel(`validation AUC ${byStep}`, 'validAuc', steps, breaks),
    ...panel(`training loss ${byStep}`, 'loss', steps, breaks),
  ]);
}
