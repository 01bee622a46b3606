/** Tables and pictures of a reproduction of the paper, our numbers beside the published ones. */
import {
  formatSeeds,
  renderTable,
  type SeedSummary,
  type TableCell,
  type TableColumn,
  type TableFormat,
} from '@crossgate/eval';
import {
  type ControlledClaim,
  hasPlus,
  type PairedDifference,
  type PaperCost,
  type PaperPart,
  plusNote,
  type ReproducedRow,
  type Reproduction,
} from '@crossgate/experiment';
import { type IntervalRow, intervalPanel } from './charts/interval-panel';
import { palette, picture } from './charts/picture';

const titles: Readonly<Record<PaperPart, string>> = {
  table1: 'Table 1. Statistics of the data sets',
  table2: 'Table 2. Collaborative signals in words',
  table3: 'Table 3. CCF-LLM and its baselines',
  table4: 'Table 4. Training strategies',
  table5: 'Table 5. Ranks of five items of one user',
  figure3: 'Figure 3. What to fuse, and how',
  figure4: 'Figure 4. Items in the space of the language model',
};

const right = (header: string): TableColumn => ({ header, align: 'right' });
const seeds = (summary: SeedSummary | null): string => (summary === null ? '–' : formatSeeds(summary));
const signed = (value: number, digits: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;
const percent = (share: number | null) => (share === null ? '–' : `${signed(100 * share, 1)} %`);
const count = (value: number) => value.toLocaleString('en-US');
/** Of how many training rows a method learned: a part of them is never passed over in silence. */
const trainedOn = ({ trainedRows, trainRows }: ReproducedRow) => {
  if (trainedRows === null || trainRows === null) return '–';
  if (trainedRows === 0) return 'none';
  return trainedRows < trainRows ? `${count(trainedRows)} of ${count(trainRows)}` : count(trainRows);
};
const interval = (bounds: readonly [number, number] | null) =>
  bounds === null ? '–' : `${bounds[0].toFixed(4)}–${bounds[1].toFixed(4)}`;

/** A table with a title and remarks below it. */
export interface PaperTable {
  /** The table or figure. */
  readonly part: PaperPart;
  /** With the data set. */
  readonly title: string;
  /** Headings. */
  readonly columns: readonly TableColumn[];
  /** Cells of each row, as many as there are columns. */
  readonly rows: readonly (readonly TableCell[])[];
  /** What a reader has to know; one sentence or two each. */
  readonly notes: readonly string[];
}

function scoreTable(part: PaperPart, dataset: string, rows: readonly ReproducedRow[]): PaperTable {
  const columns = [
    ...['train rows', 'AUC', 'AUC 95 %', 'UAUC', 'UAUC 95 %', 'warm AUC', 'cold AUC', 'RelaImpr', 'paper'],
    'difference',
  ];
  const isOther = rows.some(({ publishedOn }) => publishedOn !== dataset);
  const isPlus = rows.some(({ information }) => hasPlus(information));
  const notes = [
    'sees: T the train labels, H also the user’s earlier positives, P also earlier negatives. Compare within a class.',
    ...(isPlus ? [plusNote] : []),
    'Intervals are of 1,000 bootstrap resamples of whole users.',
    ...(rows.some((row) => row.seeds.length > 1)
      ? ['Mean ± standard deviation over seeds; the interval is of the mean, without the spread between seeds.']
      : []),
    ...(rows.some(({ trainedRows, trainRows }) => trainedRows !== null && trainedRows > 0 && trainedRows < trainRows!)
      ? ['train rows: “12,000 of 33,891” is a seeded sample of the training rows.']
      : []),
    ...(isOther
      ? [
          `The paper’s numbers are of ${rows[0]!.publishedOn} and a model of 7 billion parameters: they cannot be compared.`,
        ]
      : []),
    ...rows.flatMap(({ label, status, reason }) => (status === 'done' ? [] : [`${label}: ${reason}`])),
  ];
  let group = '';
  const cells = rows.map((row): TableCell[] => {
    const heading = row.group === group ? '' : row.group;
    group = row.group;
    return [
      ...[heading, row.label, row.information ?? '–', trainedOn(row), seeds(row.auc), interval(row.auc95)],
      ...[
        seeds(row.uauc),
        interval(row.uauc95),
        seeds(row.warmAuc),
        seeds(row.coldAuc),
        percent(row.relativeImprovement),
      ],
      ...[row.published?.toFixed(4) ?? '–', row.difference === null ? '–' : signed(row.difference, 4)],
    ];
  });
  return {
    ...{ part, title: `${titles[part]}, ${dataset}`, rows: cells, notes },
    columns: [
      { header: 'group', align: 'left' },
      { header: 'method', align: 'left' },
      { header: 'sees', align: 'left' },
      ...columns.map(right),
    ],
  };
}

/** What the controls say, and the one sentence that may be said of it. */
function claimTable({ dataset, label, holds, samples, tests }: ControlledClaim): PaperTable {
  const test = `by the paired test on ${count(samples)} resamples of whole users, p < .05 after Holm’s correction`;
  const cells = (found: PairedDifference | null) =>
    found === null
      ? ['–', '–', '–']
      : [
          signed(found.difference, 4),
          `${signed(found.interval[0], 4)} to ${signed(found.interval[1], 4)}`,
          found.pHolm.toFixed(3),
        ];
  const columns = ['AUC', 'UAUC'].flatMap((metric) => [`${metric}: ${label} − it`, '95 %', 'p (Holm)']);
  return {
    ...{ part: 'table3', title: `Does collaborative filtering help? ${label} against its controls, ${dataset}` },
    columns: [{ header: 'control', align: 'left' }, ...columns.map(right)],
    rows: tests.map(({ label: control, auc, uauc }) => [control, ...cells(auc), ...cells(uauc)]),
    notes: [
      holds
        ? `${label} beats every control in AUC and in UAUC (${test}): collaborative filtering helps.`
        : `${label} does not beat every control in both AUC and UAUC (${test}): nothing is claimed of collaborative filtering.`,
      'The test does not know the spread between seeds.',
    ],
  };
}

/** All tables of a reproduction, in the order of the paper. */
export function paperTables({ statistics, rows, cases, claims }: Reproduction): PaperTable[] {
  const tables: PaperTable[] = [];
  for (const { dataset, ours, published, publishedOn, reason } of statistics) {
    tables.push({
      ...{ part: 'table1', title: `${titles.table1}, ${dataset}` },
      columns: [{ header: 'count', align: 'left' }, right('ours'), right(`paper (${publishedOn})`)],
      rows: Object.entries(published).map(([name, count]) => [name, ours?.[name] ?? null, count]),
      notes: ['Users and items count the padding, as the paper does.', ...(reason === null ? [] : [reason])],
    });
  }
  const datasets = [...new Set(rows.map(({ dataset }) => dataset))];
  for (const part of ['table2', 'table3', 'table4', 'figure3'] as const) {
    for (const dataset of datasets) {
      const own = rows.filter((row) => row.part === part && row.dataset === dataset);
      if (own.length > 0) tables.push(scoreTable(part, dataset, own));
    }
  }
  for (const { dataset, user, history, experiments, items, reason } of cases) {
    const named = user === null ? [] : [`User ${user}, who liked ${history.map((title) => `“${title}”`).join(', ')}.`];
    tables.push({
      ...{ part: 'table5', title: `${titles.table5}, ${dataset}` },
      columns: ['item', 'label', ...experiments, 'paper'].map((header, i) =>
        i === 0 ? { header, align: 'left' } : right(header),
      ),
      rows: items.map(({ title, label, ranks, published }) => [title, label, ...ranks, published?.join(' / ') ?? '–']),
      notes: [...named, ...(reason === null ? [] : [reason])],
    });
  }
  for (const claim of claims) tables.push(claimTable(claim));
  return tables;
}

/** A table as text of a format, title and notes around it. */
export function formatPaperTable(
  { title, columns, rows, notes }: PaperTable,
  format: Exclude<TableFormat, 'json'>,
): string {
  const comment = (text: string) => (format === 'latex' ? `% ${text.replaceAll('%', '\\%')}` : text);
  const head = format === 'markdown' ? `## ${title}` : comment(title);
  return [head, renderTable(columns, rows, format), notes.map(comment).join(format === 'markdown' ? '\n\n' : '\n')]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Rows of a reproduction as CSV, one line each. */
export function paperCsv({ rows }: Reproduction): string {
  const cell = (value: string | number | null) => {
    const text = value === null ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const names = ['mean', 'standardDeviation'] as const;
  const metrics = ['auc', 'uauc', 'warmAuc', 'coldAuc'] as const;
  const bounds = ['auc95', 'uauc95'] as const;
  const head = [
    ...['id', 'dataset', 'label', 'status', 'reason', 'information', 'seeds', 'trainedRows', 'trainRows'],
    ...metrics.flatMap((metric) => [metric, `${metric}Sd`]),
    ...bounds.flatMap((metric) => [`${metric}Low`, `${metric}High`]),
    ...['relativeImprovement', 'published', 'difference', 'seconds'],
  ];
  const lines = rows.map((row) => [
    ...[row.id, row.dataset, row.label, row.status, row.reason, row.information, row.seeds.length],
    ...[row.trainedRows, row.trainRows],
    ...metrics.flatMap((metric) => names.map((name) => row[metric]?.[name] ?? null)),
    ...bounds.flatMap((metric) => row[metric] ?? [null, null]),
    ...[row.relativeImprovement, row.published, row.difference, row.seconds],
  ]);
  return `${[head, ...lines].map((line) => line.map(cell).join(',')).join('\n')}\n`;
}

/** Figure 3 as a picture: AUC of each variant with its interval, by data set; null where there is nothing to draw. */
export function figure3({ rows }: Reproduction): Promise<string> | null {
  const drawn = rows.filter(({ part, auc }) => part === 'figure3' && auc?.mean !== null && auc !== null);
  if (drawn.length === 0) return null;
  const groups = [...new Set(drawn.map(({ group, dataset }) => `${group}, ${dataset}`))];
  const panels = groups.map((name, index) =>
    intervalPanel(
      `AUC, ${name}`,
      drawn
        .filter(({ group, dataset }) => `${group}, ${dataset}` === name)
        .map(
          ({ label, auc, auc95 }): IntervalRow => ({
            name: label.replace('CCF-LLM (LightGCN), ', ''),
            ...{ value: auc!.mean!, interval: auc95, color: palette[index % palette.length]! },
          }),
        ),
    ),
  );
  return picture('Figure 3: AUC of variants of CCF-LLM', 'What to fuse, and how', panels);
}

/** What a reproduction will cost, before it starts. */
export function costTable(costs: readonly PaperCost[]): string {
  return renderTable(
    ['experiment', 'data', right('runs'), right('prompts trained'), right('prompts scored'), 'stages from', 'rows'],
    costs.map(({ experiment, dataset, seeds, trainedPrompts, scoredPrompts, stagesFrom, rows }) => [
      ...[experiment, dataset, seeds, trainedPrompts, scoredPrompts, stagesFrom ?? '', rows.join(' ')],
    ]),
  );
}
