/** Panels of single points: a map without axes, and one quantity by another. */
import type { Point } from './line-panel';
import { type AxisLabels, ink, type Panel, type Plot, paddedRange, width } from './picture';

/** Points of one kind. In the document, those of the first group have the class `points-0`, the next `points-1`. */
export interface ScatterGroup {
  /** Where the points are. */
  readonly points: readonly Point[];
  /** What each point is, as its title; absent: points have none. */
  readonly titles?: readonly string[];
  /** CSS color, such as one of `palette`. */
  readonly color: string;
  /** Whether points are rings. */
  readonly hollow?: boolean;
  /** For the legend of a map; absent: the group is not in it. */
  readonly name?: string;
}

function dots(Plot: Plot, { points, titles, color, hollow }: ScatterGroup, index: number, r: number) {
  const paint = hollow ? { fill: 'none', stroke: color, strokeOpacity: 0.8 } : { fill: color, fillOpacity: 0.65 };
  const data = points.map(([x, y], i) => ({ x, y, title: titles?.[i] }));
  return Plot.dot(data, {
    x: 'x',
    y: 'y',
    r,
    ...paint,
    className: `points-${index}`,
    ...(titles && { title: 'title' }),
  });
}

/** Around a map. */
const margin = 4;

/** A map: both axes have one scale, and neither has numbers. Groups with a name make a legend above it. */
export function mapPanel(groups: readonly ScatterGroup[]): Panel {
  const all = groups.flatMap(({ points }) => points);
  const ranges = ([0, 1] as const).map((axis) =>
    paddedRange(
      all.map((point) => point[axis]),
      0.03,
    ),
  );
  const half = Math.max(...ranges.map(([low, high]) => (high - low) / 2));
  const [x, y] = ranges.map(([low, high]) => [(low + high) / 2 - half, (low + high) / 2 + half]) as [
    number[],
    number[],
  ];
  const named = groups.filter(({ name }) => name !== undefined);
  const above = named.length === 0 ? margin : 28;
  return {
    height: width + above - margin,
    options: (Plot: Plot) => ({
      ...{ margin, marginTop: above, axis: null },
      x: { domain: x },
      y: { domain: y },
      marks: [
        ...groups.map((group, i) => dots(Plot, group, i, 3)),
        // Plot's own legend is HTML. A letter is about 8 wide.
        ...named.map(({ name = '', color, hollow }, index) => {
          const left = named.slice(0, index).reduce((sum, { name = '' }) => sum + 8 * name.length + 32, 8);
          const text = [`${hollow ? '○' : '●'} ${name}`];
          return Plot.text(text, { frameAnchor: 'top-left', dx: left, dy: -20, fill: color });
        }),
      ],
    }),
  };
}

/**
 * One quantity by another.
 * @param line joins means, drawn above the points; empty: none
 */
export function scatterPanel(labels: AxisLabels, groups: readonly ScatterGroup[], line: readonly Point[] = []): Panel {
  const all = [...groups.flatMap(({ points }) => points), ...line];
  const range = (axis: 0 | 1) =>
    paddedRange(
      all.map((point) => point[axis]),
      0.05,
    );
  return {
    height: 340,
    options: (Plot: Plot) => ({
      ...{ marginLeft: 64, marginRight: 24, marginTop: 28, marginBottom: 44 },
      x: { domain: range(0), label: null },
      y: { domain: range(1), label: null },
      marks: [
        Plot.gridY({ ticks: 5, stroke: ink, strokeOpacity: 0.25 }),
        Plot.axisY({ ticks: 5, tickSize: 0 }),
        Plot.axisX({ ticks: 6, tickSize: 0 }),
        ...groups.map((group, i) => dots(Plot, group, i, 2.2)),
        Plot.line(line, { stroke: ink, strokeWidth: 2 }),
        Plot.text([labels.y], { frameAnchor: 'top-left', dy: -18 }),
        Plot.text([labels.x], { frameAnchor: 'bottom', dy: 34 }),
      ],
    }),
  };
}
