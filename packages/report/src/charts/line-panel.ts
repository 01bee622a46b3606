/** A panel of curves: axes, grid, one line a series, a dot at every point where there are few. */
import { ink, type Panel, type Plot, paddedRange } from './picture';

/** x and y. */
export type Point = readonly [x: number, y: number];

/** One curve. */
export interface Series {
  /** For the legend; empty where the panel's label says it. */
  readonly name: string;
  /** Points in the order in which the line joins them. A curve of at most 40 points has a dot at each. */
  readonly points: readonly Point[];
  /** CSS color of line and dots, such as one of `palette`. */
  readonly color: string;
}

/** Curves of more points than this have no dots. */
const DOTTED = 40;

/**
 * Averages neighbors so that a curve of thousands of noisy batches can be read; at most `count` points (default 240).
 */
export function smooth(points: readonly Point[], count = 240): Point[] {
  const size = Math.ceil(points.length / count);
  const result: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    const mean = (axis: 0 | 1) => part.reduce((sum, point) => sum + point[axis], 0) / part.length;
    result.push([mean(0), mean(1)]);
  }
  return result;
}

/**
 * Builds the panel.
 * @param breaks x of dashed lines, such as where a phase ends
 */
export function linePanel(label: string, series: readonly Series[], breaks: readonly number[] = []): Panel {
  const flat = (chosen: readonly Series[]) =>
    chosen.flatMap((one) => one.points.map(([x, y]) => ({ x, y, color: one.color, series: series.indexOf(one) })));
  const points = flat(series);
  const end = points.reduce((most, { x }) => Math.max(most, x), 1);
  const range = paddedRange(
    points.map(({ y }) => y),
    0.08,
  );
  const legend = series.filter(({ name }) => name !== '').reverse();
  const above = { dy: -16 } as const;
  return {
    height: 220,
    options: (Plot: Plot) => ({
      ...{ marginLeft: 56, marginRight: 24, marginTop: 28, marginBottom: 36 },
      x: { domain: [0, end], label: null },
      y: { domain: range, label: null },
      marks: [
        Plot.gridY({ ticks: 5, stroke: ink, strokeOpacity: 0.25 }),
        Plot.axisY({ ticks: 5, tickSize: 0 }),
        // Steps and epochs are whole numbers.
        Plot.axisX({ ticks: Math.min(6, end), tickSize: 0 }),
        ...(breaks.length === 0 ? [] : [Plot.ruleX(breaks, { stroke: ink, strokeDasharray: '3 3' })]),
        Plot.line(points, { x: 'x', y: 'y', z: 'series', stroke: 'color', strokeWidth: 1.8 }),
        Plot.dot(flat(series.filter((one) => one.points.length <= DOTTED)), { x: 'x', y: 'y', fill: 'color', r: 3 }),
        Plot.text([label], { frameAnchor: 'top-left', ...above }),
        // Plot's own legend is HTML. A letter is about 8 wide.
        ...legend.map(({ name, color }, index) => {
          const right = legend.slice(0, index).reduce((sum, { name }) => sum + 8 * name.length + 32, 0);
          return Plot.text([`● ${name}`], { frameAnchor: 'top-right', ...above, dx: -right, fill: color });
        }),
      ],
    }),
  };
}
