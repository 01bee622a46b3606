/** A panel of values with their intervals: one row each, dots on a common axis. */
import { ink, lineFrom, type Panel, textAt, ticks, width } from './svg';

/** One value. */
export interface IntervalRow {
  readonly name: string;
  readonly value: number;
  readonly interval: readonly [number, number] | null;
  readonly color: string;
}

const rowHeight = 22;
const margin = { left: 176, right: 72, top: 28, bottom: 36 };

/** Builds the panel, rows from top to bottom; the value stands at the right. */
export function intervalPanel(label: string, rows: readonly IntervalRow[]): Panel {
  const all = rows.flatMap(({ value, interval }) => [value, ...(interval ?? [])]);
  const padding = (Math.max(...all) - Math.min(...all)) * 0.05 || 0.01;
  const [x0, x1] = [Math.min(...all) - padding, Math.max(...all) + padding];
  const height = margin.top + rows.length * rowHeight + margin.bottom;
  const right = width - margin.right;
  const sx = (x: number) => margin.left + ((x - x0) / (x1 - x0)) * (right - margin.left);
  return {
    height,
    draw(top) {
      const floor = top + height - margin.bottom;
      return [
        textAt(56, top + 16, 'start', label),
        ...ticks(x0, x1).flatMap((x) => [
          lineFrom(sx(x), top + margin.top, sx(x), floor, 'stroke-opacity=".25"'),
          textAt(sx(x), floor + 18, 'middle', x),
        ]),
        ...rows.flatMap(({ name, value, interval, color }, index) => {
          const y = top + margin.top + (index + 0.5) * rowHeight;
          return [
            textAt(margin.left - 10, y + 4, 'end', name),
            ...(interval === null ? [] : [lineFrom(sx(interval[0]), y, sx(interval[1]), y, 'stroke-width="2"', color)]),
            `<circle cx="${sx(value).toFixed(1)}" cy="${y.toFixed(1)}" r="4.5" fill="${color}"/>`,
            textAt(right + 10, y + 4, 'start', value.toFixed(4), ink),
          ];
        }),
      ].join('\n');
    },
  };
}
