/** A panel of curves in the unit square with its diagonal: ROC curves and reliability diagrams. */
import type { Series } from './line-panel';
import { type AxisLabels, ink, type Panel, type Plot } from './picture';

const side = 380;
const margins = { marginTop: 16, marginBottom: 48, marginLeft: 64, marginRight: 20 };

/**
 * Builds the panel. Colors that come again after the eighth curve are dashed.
 * @param series points within 0 … 1
 * @param dotted whether each point has a dot
 */
export function unitPanel(labels: AxisLabels, series: readonly Series[], dotted: boolean): Panel {
  const points = series.flatMap(({ points: own, color }, index) => own.map(([x, y]) => ({ x, y, color, index })));
  const line = { x: 'x', y: 'y', z: 'index', stroke: 'color', strokeWidth: 1.8 } as const;
  return {
    height: side + margins.marginTop + margins.marginBottom,
    width: side + margins.marginLeft + margins.marginRight,
    options: (Plot: Plot) => ({
      ...margins,
      x: { domain: [0, 1], label: null },
      y: { domain: [0, 1], label: null },
      marks: [
        Plot.gridX({ ticks: 5, stroke: ink, strokeOpacity: 0.25 }),
        Plot.gridY({ ticks: 5, stroke: ink, strokeOpacity: 0.25 }),
        Plot.axisX({ ticks: 5, tickSize: 0 }),
        Plot.axisY({ ticks: 5, tickSize: 0 }),
        Plot.line(
          [
            [0, 0],
            [1, 1],
          ],
          { stroke: ink, strokeDasharray: '3 3' },
        ),
        Plot.line(
          points.filter(({ index }) => index < 8),
          line,
        ),
        Plot.line(
          points.filter(({ index }) => index >= 8),
          { ...line, strokeDasharray: '6 4' },
        ),
        ...(dotted ? [Plot.dot(points, { x: 'x', y: 'y', fill: 'color', r: 3 })] : []),
        Plot.text([labels.x], { frameAnchor: 'bottom', dy: 38 }),
        Plot.text([labels.y], { frameAnchor: 'left', rotate: -90, dx: -46, textAnchor: 'middle' }),
      ],
    }),
  };
}
