/** Curves of a run from the records of its metrics.jsonl: loss and validation AUC over its steps. */
import type { MetricsRecord } from '@crossgate/experiment';
import { linePanel, type Point, smooth } from './line-panel';
import { palette, picture } from './picture';

/** A run's records on one axis: phases follow one another. */
export interface RunCurves {
  /** Names of the phases in the order of the records, such as `cf`, `stage1`, `stage2`. */
  readonly phases: readonly string[];
  /** Where a phase ends and the next begins. */
  readonly breaks: readonly number[];
  /** Training loss by step, phases one after another; only of records that hold a loss. */
  readonly loss: readonly Point[];
  /** Validation AUC by step, phases one after another; only of records that hold one. */
  readonly validAuc: readonly Point[];
}

/** Puts the phases of a run one after the other. Records without a number in a column have no point there. */
export function runCurves(records: readonly MetricsRecord[]): RunCurves {
  const phases = [...new Set(records.map(({ phase }) => phase))];
  const starts = new Map<string, number>();
  const breaks: number[] = [];
  let total = 0;
  for (const phase of phases) {
    if (total > 0) breaks.push(total);
    starts.set(phase, total);
    total += Math.max(...records.filter((record) => record.phase === phase).map(({ step }) => step));
  }
  const points = (key: 'loss' | 'validAuc') =>
    records.flatMap((record): Point[] => {
      const value = record[key];
      return typeof value === 'number' ? [[(starts.get(record.phase) ?? 0) + record.step, value]] : [];
    });
  return { phases, breaks, loss: points('loss'), validAuc: points('validAuc') };
}

/**
 * Draws the records of one run.
 * @param name of the run
 * @returns an SVG document; a dashed line stands between phases
 */
export function drawRun(name: string, records: readonly MetricsRecord[]): Promise<string> {
  const { phases, breaks, loss, validAuc } = runCurves(records);
  const unit = phases.includes('cf') ? 'epochs' : 'steps';
  const parts = [
    { label: 'training loss', points: smooth(loss), color: palette[0]! },
    { label: 'validation AUC', points: validAuc, color: palette[1]! },
  ];
  const panels = parts
    .filter(({ points }) => points.length > 0)
    .map(({ label, points, color }) =>
      linePanel(`${label} by ${unit} (${phases.join(', ')})`, [{ name: '', points, color }], breaks),
    );
  return picture(`Training of ${name}`, name, panels);
}
