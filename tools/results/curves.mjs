// A run's loss and validation AUC over its steps, as one SVG that reads on light and dark pages.

const [width, height, margin] = [720, 220, { left: 56, right: 16, top: 28, bottom: 36 }];
const ink = '#7a8594';

/** @typedef {[x: number, y: number]} Point */

/**
 * Averages neighbours so that a curve of thousands of noisy batches can be read; at most `count` points.
 *
 * @param {Point[]} points
 * @returns {Point[]}
 */
function smooth(points, count = 240) {
  const size = Math.ceil(points.length / count);
  /** @type {Point[]} */
  const result = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    /** @param {0 | 1} axis */
    const mean = (axis) => part.reduce((sum, point) => sum + point[axis], 0) / part.length;
    result.push([mean(0), mean(1)]);
  }
  return result;
}

/**
 * Round numbers that divide a range into about five.
 *
 * @param {number} low
 * @param {number} high
 */
function ticks(low, high) {
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/**
 * One panel: axes, grid, a line, a dot at every point where there are few.
 *
 * @param {number} top
 * @param {string} label
 * @param {Point[]} points
 * @param {number[]} breaks where a phase ends
 * @param {string} color
 */
function panel(top, label, points, breaks, color) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [x0, x1] = [0, Math.max(...xs, 1)];
  const padding = (Math.max(...ys) - Math.min(...ys)) * 0.08 || 0.01;
  const [y0, y1] = [Math.min(...ys) - padding, Math.max(...ys) + padding];
  /** @param {number} x */
  const sx = (x) => margin.left + ((x - x0) / (x1 - x0)) * (width - margin.left - margin.right);
  /** @param {number} y */
  const sy = (y) => top + height - margin.bottom - ((y - y0) / (y1 - y0)) * (height - margin.top - margin.bottom);
  /** @param {number} x @param {number} y @param {string} anchor @param {string | number} content */
  const text = (x, y, anchor, content) =>
    `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${ink}">${content}</text>`;
  /** @param {number} xa @param {number} ya @param {number} xb @param {number} yb @param {string} extra */
  const line = (xa, ya, xb, yb, extra) =>
    `<line x1="${xa.toFixed(1)}" y1="${ya.toFixed(1)}" x2="${xb.toFixed(1)}" y2="${yb.toFixed(1)}" stroke="${ink}" ${extra}/>`;
  return [
    text(margin.left, top + 16, 'start', label),
    ...ticks(y0, y1).flatMap((y) => [
      line(margin.left, sy(y), width - margin.right, sy(y), 'stroke-opacity=".25"'),
      text(margin.left - 6, sy(y) + 4, 'end', y),
    ]),
    ...ticks(x0, x1).map((x) => text(sx(x), top + height - margin.bottom + 18, 'middle', x)),
    ...breaks.map((x) => line(sx(x), top + margin.top, sx(x), top + height - margin.bottom, 'stroke-dasharray="3 3"')),
    `<polyline fill="none" stroke="${color}" stroke-width="1.8" points="${points.map(([x, y]) => `${sx(x).toFixed(1)},${sy(y).toFixed(1)}`).join(' ')}"/>`,
    ...(points.length <= 40
      ? points.map(([x, y]) => `<circle cx="${sx(x).toFixed(1)}" cy="${sy(y).toFixed(1)}" r="3" fill="${color}"/>`)
      : []),
  ].join('\n');
}

/**
 * Draws the records of a metrics.jsonl. Phases follow one another on the axis; a dashed line stands between them.
 *
 * @param {string} name of the run
 * @param {{ phase: string, step: number, loss?: number, validAuc?: number | null }[]} records
 * @returns {string} an SVG document
 */
export function curves(name, records) {
  const phases = [...new Set(records.map(({ phase }) => phase))];
  /** @type {Map<string, number>} */
  const starts = new Map();
  /** @type {number[]} */
  const breaks = [];
  let total = 0;
  for (const phase of phases) {
    if (total > 0) breaks.push(total);
    starts.set(phase, total);
    total += Math.max(...records.filter((record) => record.phase === phase).map(({ step }) => step));
  }
  /**
   * @param {'loss' | 'validAuc'} key
   * @returns {Point[]}
   */
  const points = (key) =>
    records.flatMap((record) => {
      const value = record[key];
      return typeof value === 'number' ? [[(starts.get(record.phase) ?? 0) + record.step, value]] : [];
    });
  const unit = phases.includes('cf') ? 'epochs' : 'steps';
  /** @type {[label: string, points: Point[], color: string][]} */
  const all = [
    ['training loss', smooth(points('loss')), '#3b82f6'],
    ['validation AUC', points('validAuc'), '#f97316'],
  ];
  const panels = all.filter(([, values]) => values.length > 0);
  const body = panels.map(([label, values, color], i) =>
    panel(24 + i * height, `${label} by ${unit} (${phases.join(', ')})`, values, breaks, color),
  );
  const full = 24 + panels.length * height;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${full}" font-family="system-ui, sans-serif" font-size="12">
<title>Training of ${name}</title>
<text x="${margin.left}" y="18" font-size="14" fill="${ink}">${name}</text>
${body.join('\n')}
</svg>
`;
}
