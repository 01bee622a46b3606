/** How good the runs are: the metrics of each split, lists, and paired tests between the runs. */
import { decimals } from '@crossgate/core';
import { type ClickMetrics, formatSeeds } from '@crossgate/eval';
import { type Comparison, compareRuns, hasPlus, plusNote, type SplitName } from '@crossgate/experiment';
import { intervalPanel } from '../charts/interval-panel';
import { palette, picture } from '../charts/picture';
import { type Cell, figure, html, type Markup, section, table } from './html';
import type { Parts } from './parts';
import type { ReportedRun } from './read-run';

const number = (value: number | null | undefined): string => (value == null ? '–' : decimals(value));
const interval = (value: readonly [number, number] | null | undefined): string =>
  value == null ? '–' : `${decimals(value[0])} – ${decimals(value[1])}`;

function cells(name: string, information: string, value: Omit<ClickMetrics, 'positives'>): Cell[] {
  const users = `${value.uaucUsers} of ${value.users}`;
  const scores = [number(value.auc), interval(value.auc95), number(value.uauc), users, number(value.logLoss)];
  return [name, information, value.rows, ...scores];
}

function splitTable(runs: readonly ReportedRun[], split: SplitName): Markup {
  const rows = runs.flatMap(({ name, result: { metrics, information } }): Cell[][] => {
    const value = metrics[split];
    if (value === undefined) return [];
    return [
      cells(name, information, value),
      ...(value.warm ? [cells(`${name}, warm`, '', value.warm)] : []),
      ...(value.cold ? [cells(`${name}, cold`, '', value.cold)] : []),
    ];
  });
  const columns = ['run', 'sees', 'rows', 'AUC', '95 % interval', 'UAUC', 'users', 'log loss'];
  return rows.length === 0 ? html`` : table(`Split ${split}`, columns, rows, 2);
}

function rankingTables(runs: readonly ReportedRun[]): Markup[] {
  return (['valid', 'test'] as const).flatMap((split) => {
    const rows = runs.flatMap(({ name, result: { ranking } }): Cell[][] => {
      const value = ranking?.[split];
      if (value === undefined) return [];
      const { k, users, negatives, recall, precision, ndcg, mrr, map, hit, coverage } = value;
      return [[name, k, users, negatives ?? 'all', ...[recall, precision, ndcg, mrr, map, hit, coverage].map(number)]];
    });
    const columns = ['run', 'k', 'users', 'negatives', 'recall', 'precision', 'NDCG', 'MRR', 'MAP', 'hit', 'coverage'];
    return rows.length === 0 ? [] : [table(`Lists, split ${split}`, columns, rows)];
  });
}

/** The metrics of all runs on all splits that they scored, that of the report first. */
export async function metricsSection(runs: readonly ReportedRun[], split: SplitName): Promise<Markup> {
  const splits = [split, ...(['test', 'valid', 'train'] as const).filter((other) => other !== split)];
  const bars = runs.flatMap(({ name, result: { metrics } }, i) => {
    const { auc, auc95 } = metrics[split]!;
    return auc === null ? [] : [{ name, value: auc, interval: auc95, color: palette[i % palette.length]! }];
  });
  const chart =
    runs.length > 1 && bars.length > 0
      ? figure(
          await picture(`AUC of the runs on split ${split}`, `AUC on split ${split}`, [intervalPanel('', bars)]),
          'Dots are AUCs, lines their 95 % intervals by DeLong’s method, for independent rows. The table below has the numbers.',
        )
      : '';
  return section(
    ...(['metrics', 2, 'Metrics'] as const),
    chart,
    splits.map((name) => splitTable(runs, name)),
    rankingTables(runs),
    html`<p class="soft">Sees: which labels a method may read when it scores a row. T: those of the train split. H: also the
    user’s earlier positives. P: also the user’s earlier negatives.
    ${runs.some(({ result }) => hasPlus(result.information)) ? `${plusNote} ` : ''}Warm rows have a user and an item with train rows, cold
    rows lack one of the two. UAUC is the mean AUC over the users with rows of both classes.</p>\n`,
  );
}

const signed = (value: number | null | undefined): string =>
  value == null ? '–' : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
const pValue = (value: number | undefined): string => {
  if (value === undefined) return '–';
  return value < 1e-4 ? value.toExponential(1) : value.toFixed(4);
};

function testRow({ a, b, auc, uauc }: Comparison['tests'][number]): Cell[] {
  return [
    `${a} − ${b}`,
    signed(auc?.difference),
    auc === null ? '–' : `${signed(auc.interval[0])} to ${signed(auc.interval[1])}`,
    pValue(auc?.pValue),
    pValue(auc?.pHolm),
    signed(uauc?.meanDifference),
    uauc?.users,
    pValue(uauc?.pValue),
    pValue(uauc?.pHolm),
  ];
}

function seedTable({ methods }: Comparison): Markup {
  if (methods.every(({ seeds }) => seeds.length === 1)) return html``;
  const rows = methods.map(({ name, seeds, metrics: { auc, uauc, logLoss } }): Cell[] => [
    name,
    seeds.join(', '),
    ...[auc, uauc, logLoss].map((summary) => (summary === null ? '–' : formatSeeds(summary))),
  ]);
  return table(
    'Runs that differ in the seed only: mean ± standard deviation',
    ['method', 'seeds', 'AUC', 'UAUC', 'log loss'],
    rows,
    2,
  );
}

/** Paired tests between all runs that scored the same rows; nothing for a single run. */
export async function testsSection(runs: readonly ReportedRun[], split: SplitName, parts: Parts): Promise<Markup> {
  if (runs.length < 2) return html``;
  const names = runs.map(({ name }) => name);
  const content = await parts.attempt('tests', [], async () => {
    const comparison = await compareRuns(runs, split);
    if (comparison.tests.length === 0) return parts.leaveOut('tests', names, 'the runs are seeds of one method');
    const columns = [
      ...['pair', 'AUC', '95 % interval', 'p of AUC', 'Holm’s p of AUC'],
      ...['UAUC', 'users', 'p of UAUC', 'Holm’s p of UAUC'],
    ];
    const various = new Set(comparison.methods.map(({ information }) => information)).size > 1;
    return html`${seedTable(comparison)}${table(`Differences on split ${split}`, columns, comparison.tests.map(testRow))}
<p class="soft">AUC: DeLong’s paired test. UAUC: Wilcoxon’s signed ranks over the users with both classes. Holm’s correction
is over the pairs of this table. Tests of several seeds compare means and leave out the spread between seeds.
${various ? 'The methods see different labels, so a difference is not one between equals.' : ''}</p>
`;
  });
  return section('tests', 2, 'Paired tests', content);
}
