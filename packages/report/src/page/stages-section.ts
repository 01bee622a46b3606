/** How the scores of rows moved from the first stage to the last. */
import { decimals } from '@crossgate/core';
import { sampleRows } from '@crossgate/data';
import { auc } from '@crossgate/eval';
import { evaluatedRows, firstStageScores, openRunFiles, type SplitName } from '@crossgate/experiment';
import type { Point } from '../charts/line-panel';
import { palette, picture } from '../charts/picture';
import { scatterPanel } from '../charts/scatter-panel';
import { type Cell, figure, html, legend, type Markup, section, table } from './html';
import type { ModelWork } from './items-section';
import type { Parts } from './parts';
import type { ReportedRun } from './read-run';

/** Rows that are scored again. */
const ROWS = 1000;

/** Scores by the first and by the last stage. */
interface Moved {
  readonly label: Uint8Array;
  readonly seen: Uint8Array | null;
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/** Mean logits, and the AUC, before and after, over all rows and over parts of them. */
export function movedRows({ label, seen, before, after }: Moved): Cell[][] {
  const parts: [string, (row: number) => boolean][] = [
    ['all', () => true],
    ['positives', (row) => label[row] === 1],
    ['negatives', (row) => label[row] === 0],
    ...(seen === null
      ? []
      : ([
          ['warm', (row) => seen[row] === 1],
          ['cold', (row) => seen[row] === 0],
        ] satisfies [string, (row: number) => boolean][])),
  ];
  return parts.flatMap(([name, holds]): Cell[][] => {
    const rows = [...label.keys()].filter(holds);
    if (rows.length === 0) return [];
    const pick = (values: ArrayLike<number>) => rows.map((row) => values[row]!);
    const mean = (values: Float64Array) => pick(values).reduce((sum, value) => sum + value, 0) / rows.length;
    const area = (values: Float64Array) => {
      const value = auc(pick(label), pick(values));
      return value === null ? '–' : decimals(value);
    };
    return [[name, rows.length, decimals(mean(before)), decimals(mean(after)), area(before), area(after)]];
  });
}

/** The rows of the split, or some of them, by the first stage and by the last, for each run that holds both. */
export async function stagesSection(
  runs: readonly ReportedRun[],
  split: SplitName,
  work: ModelWork,
  parts: Parts,
): Promise<Markup> {
  const each: Markup[] = [];
  for (const [index, run] of runs.entries()) {
    each.push(
      await parts.attempt('stages', [run.name], async () =>
        section(`stages-${index + 1}`, 3, run.name, await runPart(run, split, work)),
      ),
    );
  }
  return section('stages', 2, 'From the first stage to the last', each);
}

async function runPart({ shown, rows }: ReportedRun, split: SplitName, { session, set }: ModelWork): Promise<Markup> {
  const { config, dataset } = await openRunFiles(session, shown, set);
  const scored = evaluatedRows(config, dataset, split);
  // Of the scored rows, some: their places in the predictions.
  const places = sampleRows(scored.length, Math.min(ROWS, scored.length), 0);
  const { logit } = await firstStageScores(
    shown,
    session,
    split,
    places.map((place) => scored[place]!),
    set,
  );
  const moved: Moved = {
    label: Uint8Array.from(places, (place) => rows.label[place]!),
    seen: rows.seen ? Uint8Array.from(places, (place) => rows.seen![place]!) : null,
    before: logit,
    after: Float64Array.from(places, (place) => rows.logit[place]!),
  };
  const points = (label: number) =>
    [...moved.label.keys()].flatMap((row): Point[] =>
      moved.label[row] === label ? [[moved.before[row]!, moved.after[row]!]] : [],
    );
  const groups = [
    { points: points(1), color: palette[0]! },
    { points: points(0), color: palette[1]!, hollow: true },
  ];
  const labels = { x: 'logit by the first stage', y: 'logit by the last stage' };
  const columns = ['rows', 'number', 'logit before', 'logit after', 'AUC before', 'AUC after'];
  const svg = await picture('Scores by the first and by the last stage', '', [scatterPanel(labels, groups)]);
  return html`${figure(svg, [
    `${places.length} rows of split ${split}, by the best state of the first stage and as the run scored them.`,
    legend(['positives', 'negatives']),
  ])}${table('Scores before and after the last stage', columns, movedRows(moved))}`;
}
