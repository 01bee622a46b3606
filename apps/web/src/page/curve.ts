/** The curve of a training: loss and what is measured on the validation rows, epoch by epoch. */
import type { Epoch } from './protocol';
import { element } from './shared';

const [width, height] = [360, 150];
const edge = { left: 38, right: 38, top: 10, bottom: 20 };

function svg(name: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The range of values, never empty. */
function rangeOf(values: readonly number[]): readonly [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return high - low > 1e-6 ? [low, high] : [low - 0.01, high + 0.01];
}

/** Draws the curve into a figure, with its last values in words. @param measure what `valid` of the epochs is */
export function drawCurve(figure: HTMLElement, epochs: readonly Epoch[], measure: string): void {
  const last = epochs.at(-1);
  figure.hidden = last === undefined;
  if (last === undefined) return;
  const [right, bottom] = [width - edge.right, height - edge.bottom];
  const x = (epoch: number) => edge.left + ((epoch - 1) / Math.max(1, last.epochs - 1)) * (right - edge.left);
  const words = `Training of ${last.epoch} epochs: loss and ${measure} of the validation rows`;
  const chart = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'curve', role: 'img', 'aria-label': words });
  for (const share of [0, 0.5, 1]) {
    const y = bottom - share * (bottom - edge.top);
    chart.append(svg('line', { class: 'grid', x1: edge.left, x2: right, y1: y, y2: y }));
  }
  const draw = (kind: 'loss' | 'valid', points: readonly (readonly [epoch: number, value: number])[]) => {
    if (points.length === 0) return;
    const [low, high] = rangeOf(points.map(([, value]) => value));
    const y = (value: number) => bottom - ((value - low) / (high - low)) * (bottom - edge.top);
    const path = points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`);
    chart.append(svg('polyline', { class: `line ${kind}`, points: path.join(' ') }));
    const at = kind === 'valid' ? { x: edge.left - 5, 'text-anchor': 'end' } : { x: right + 5 };
    chart.append(svg('text', { ...at, y: edge.top + 4 }, high.toFixed(3)));
    chart.append(svg('text', { ...at, y: bottom }, low.toFixed(3)));
  };
  draw(
    'loss',
    epochs.map(({ epoch, loss }) => [epoch, loss]),
  );
  draw(
    'valid',
    epochs.flatMap(({ epoch, valid }) => (valid === null ? [] : [[epoch, valid] as const])),
  );
  chart.append(svg('text', { x: edge.left, y: height - 4 }, 'epoch 1'));
  chart.append(svg('text', { x: right, y: height - 4, 'text-anchor': 'end' }, String(last.epochs)));
  const valid =
    last.valid === null ? [] : [element('span', { class: 'valid' }, `— valid ${measure} ${last.valid.toFixed(4)}`)];
  const key = element(
    'figcaption',
    { class: 'key' },
    ...valid,
    element('span', { class: 'loss' }, `- - loss ${last.loss.toFixed(4)}`),
  );
  figure.replaceChildren(chart, key);
}
