/** A panel of values with their intervals: one row each, dots on a common axis. */
import { ink, type Panel, type Plot, paddedRange } from './picture';

/** One value. */
export interface IntervalRow {
  /** Stands left of the row; rows may share a name. */
  readonly name: string;
  /** Where the dot is; printed at the right with four decimals. */
  readonly value: number;
  /** Ends of the line through the dot; null draws no line. */
  readonly interval: readonly [number, number] | null;
  /** CSS color of dot and line, such as one of `palette`. */
  readonly color: string;
}

const rowHeight = 22;
const margins = { marginLeft: 176, marginRight: 72, marginTop: 28, marginBottom: 36 };

/** Builds the panel, rows from top to bottom; the value stands at the right. */
export function intervalPanel(label: string, rows: readonly IntervalRow[]): Panel {
  // By place and not by name: two rows may have the same.
  const placed = rows.map((row, place) => ({ ...row, place }));
  const range = paddedRange(
    rows.flatMap(({ value, interval }) => [value, ...(interval ?? [])]),
    0.05,
  );
  return {
    height: margins.marginTop + rows.length * rowHeight + margins.marginBottom,
    options: (Plot: Plot) => ({
      ...margins,
      x: { domain: range, label: null },
      y: { type: 'point', domain: placed.map(({ place }) => place), padding: 0.5, label: null },
      marks: [
        Plot.gridX({ ticks: 5, stroke: ink, strokeOpacity: 0.25 }),
        Plot.axisX({ ticks: 5, tickSize: 0 }),
        Plot.axisY({ tickSize: 0, tickFormat: (place: number) => rows[place]?.name ?? '' }),
        Plot.ruleY(
          placed.filter(({ interval }) => interval !== null),
          {
            ...{ x1: ({ interval }: IntervalRow) => interval?.[0], x2: ({ interval }: IntervalRow) => interval?.[1] },
            ...{ y: 'place', stroke: 'color', strokeWidth: 2 },
          },
        ),
        Plot.dot(placed, { x: 'value', y: 'place', fill: 'color', r: 4.5 }),
        Plot.text(placed, {
          ...{ frameAnchor: 'right', textAnchor: 'start', dx: 10, y: 'place' },
          text: ({ value }: IntervalRow) => value.toFixed(4),
        }),
        Plot.text([label], { frameAnchor: 'top-left', dx: 56 - margins.marginLeft, dy: -16 }),
      ],
    }),
  };
}
