/** What a search found, as a table, as CSV and as a picture of what mattered. */
import { decimals, formatDuration } from '@crossgate/core';
import { csvField } from '@crossgate/data';
import { renderTable, type TableColumn } from '@crossgate/eval';
import type { Sweep, SweepTrial } from '@crossgate/experiment';
import { picture } from './charts/picture';
import { valuePanel } from './charts/value-panel';

const right = (header: string): TableColumn => ({ header, align: 'right' });

/** A value of a key as people read it; a dash where the trial's method does not read the key. */
function shown(value: unknown): string {
  if (value === undefined) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const objectiveColumns = (objective: string) =>
  [...new Set([objective, 'auc', 'uauc'])].map((name) =>
    name === 'auc' || name === 'uauc' ? name.toUpperCase() : name,
  );

/** What stands beside a trial. */
function noteOf({ trial, status, reason }: SweepTrial, best: Sweep['best']): string {
  if (trial === best?.trial) return 'best';
  if (status === 'done') return '';
  return reason === null ? status : `${status}: ${reason}`;
}

/** The trials, best first, metrics of the validation rows; below it what mattered, and what to know. */
export function sweepTable(sweep: Sweep): string {
  const { trials, keys, objective, unit, best, importance } = sweep;
  const metrics = objectiveColumns(objective);
  const rows = trials.map((row) => [
    ...[row.trial, ...keys.map(({ key }) => shown(row.values[key]))],
    ...[decimals(row.value), ...(objective === 'auc' ? [] : [decimals(row.auc)])],
    ...(objective === 'uauc' ? [] : [decimals(row.uauc)]),
    ...(unit === null ? [] : [row.trained]),
    ...[row.seconds === null ? '-' : formatDuration(row.seconds), noteOf(row, best)],
  ]);
  const columns = [
    ...[right('trial'), ...keys.map(({ key }) => right(key)), ...metrics.map(right)],
    ...(unit === null ? [] : [right(unit)]),
    ...[right('time'), { header: '', align: 'left' } as const],
  ];
  return [renderTable(columns, rows), importanceTable(importance, sweep), notesOf(sweep).join('\n')].join('\n\n');
}

function importanceTable(importance: Sweep['importance'], { rounds, unit }: Sweep): string {
  const at = rounds.length > 1 ? ` after ${rounds[0]!.budget} ${unit}` : '';
  return renderTable(
    ['key', right(`share of the ranks${at} that it explains`)],
    importance.map(({ key, share }) => [key, share === null ? '–' : percent(share)]),
  );
}

const percent = (share: number) => `${Math.round(100 * share)} %`;

function notesOf({ trials, best, objective }: Sweep): string[] {
  const notes = [`Metrics of valid, which chose: as the best of ${trials.length}, the first is too high by chance.`];
  if (best === null) return notes;
  if (best.within !== null && best.within > 0) {
    const who = best.within === 1 ? '1 other trial lies' : `${best.within} other trials lie`;
    notes.push(`${who} within the 95 % interval of its AUC: this data cannot tell them from it.`);
  }
  if (best.test === null) notes.push('The test split was not scored.');
  else {
    const { auc, auc95, uauc } = best.test;
    const interval = auc95 === null ? '' : ` (${decimals(auc95[0])}–${decimals(auc95[1])})`;
    notes.push(`Test, scored once, by trial ${best.trial}: AUC ${decimals(auc)}${interval}, UAUC ${decimals(uauc)}.`);
  }
  notes.push(`Trial ${best.trial}, ${objective} ${decimals(best.value)}: ${best.config}`);
  return notes;
}

/** The trials, best first, as CSV: one line each, numbers with all their digits. */
export function sweepCsv({ trials, keys, objective, unit }: Sweep): string {
  const own = objective === 'auc' || objective === 'uauc' ? [] : [objective];
  const head = [
    ...['trial', 'status', 'reason', ...keys.map(({ key }) => key), ...own],
    ...['auc', 'uauc', 'logLoss', unit ?? 'trained', 'round', 'seconds', 'run'],
  ];
  const lines = trials.map((row) => [
    ...[row.trial, row.status, row.reason, ...keys.map(({ key }) => row.values[key])],
    ...own.map(() => row.value),
    ...[row.auc, row.uauc, row.logLoss, row.trained, row.round, row.seconds, row.run],
  ]);
  const cell = (value: unknown) => {
    if (value === null || value === undefined) return '';
    return csvField(typeof value === 'string' ? value : JSON.stringify(value));
  };
  return `${[head, ...lines].map((line) => line.map(cell).join(',')).join('\n')}\n`;
}

/**
 * What mattered: a panel for each key with the objective of each trial by its value, what explains most first.
 * @returns an SVG document; null where no trial has a value
 */
export async function sweepPicture(sweep: Sweep): Promise<string | null> {
  const { trials, keys, importance, best, objective, rounds, unit } = sweep;
  const scored = trials.filter(({ firstValue }) => firstValue !== null);
  if (scored.length === 0) return null;
  const panels = importance.flatMap(({ key, share }) => {
    const own = scored.filter(({ values }) => Object.hasOwn(values, key));
    if (own.length === 0) return [];
    const explains = share === null ? '' : ` · explains ${percent(share)} of the ranks`;
    const dots = own.map(({ trial, values, firstValue, status }) => ({
      ...{ value: values[key], objective: firstValue!, title: `trial ${trial}` },
      kind: trial === best?.trial ? ('best' as const) : status === 'done' ? ('done' as const) : ('other' as const),
    }));
    const isLog = keys.find((one) => one.key === key)?.range?.log;
    return [valuePanel(`${key}${explains}`, dots, isLog)];
  });
  const at = rounds.length > 1 ? ` after ${rounds[0]!.budget} ${unit}` : '';
  const name = objective === 'auc' || objective === 'uauc' ? objective.toUpperCase() : objective;
  return picture(`What mattered in ${sweep.out}`, `${name} of valid${at}, ${scored.length} trials`, panels);
}
