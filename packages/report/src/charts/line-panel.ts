/** A panel of curves: axes, grid, one line a series, a dot at every point where there are few. */
import { lineFrom, type Panel, textAt, ticks, width } from './svg';

/** x and y. */
export type Point = readonly [x: number, y: number];

/** One curve. */
export interface Series {
  /** For the legend; empty where the panel's label says it. */
  readonly name: string;
  readonly points: readonly Point[];
  readonly color: string;
}

const height = 220;
const margin = { left: 56, right: 16, top: 28, bottom: 36 };
/** Curves of more points than this have no dots. */
const DOTTED = 40;

/** Averages neighbours so that a curve of thousands of noisy batches can be read; at most `count` points. */
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
  const points = series.flatMap((one) => one.points);
  const ys = points.map(([, y]) => y);
  const x1 = Math.max(...points.map(([x]) => x), 1);
  const padding = (Math.max(...ys) - Math.min(...ys)) * 0.08 || 0.01;
  const [y0, y1] = [Math.min(...ys) - padding, Math.max(...ys) + padding];
  const right = width - margin.right;
  return {
    height,
    draw(top) {
      const [ceiling, floor] = [top + margin.top, top + height - margin.bottom];
      const sx = (x: number) => margin.left + (x / x1) * (right - margin.left);
      const sy = (y: number) => floor - ((y - y0) / (y1 - y0)) * (floor - ceiling);
      const legend = series.filter(({ name }) => name !== '').reverse();
      let end = right;
      return [
        textAt(margin.left, top + 16, 'start', label),
        ...legend.map(({ name, color }) => {
          const drawn = textAt(end, top + 16, 'end', `● ${name}`, color);
          end -= 8 * name.length + 32;
          return drawn;
        }),
        ...ticks(y0, y1).flatMap((y) => [
          lineFrom(margin.left, sy(y), right, sy(y), 'stroke-opacity=".25"'),
          textAt(margin.left - 6, sy(y) + 4, 'end', y),
        ]),
        ...ticks(0, x1).map((x) => textAt(sx(x), floor + 18, 'middle', x)),
        ...breaks.map((x) => lineFrom(sx(x), ceiling, sx(x), floor, 'stroke-dasharray="3 3"')),
        ...series.flatMap(({ points: own, color }) => [
          `<polyline fill="none" stroke="${color}" stroke-width="1.8" points="${own.map(([x, y]) => `${sx(x).toFixed(1)},${sy(y).toFixed(1)}`).join(' ')}"/>`,
          ...(own.length <= DOTTED
            ? own.map(([x, y]) => `<circle cx="${sx(x).toFixed(1)}" cy="${sy(y).toFixed(1)}" r="3" fill="${color}"/>`)
            : []),
        ]),
      ].join('\n');
    },
  };
}
