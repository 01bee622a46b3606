/**
 * Pictures: panels that Observable Plot draws, below one another in one SVG document. Both libraries load with the
 * first.
 */
import type * as PlotModule from '@observablehq/plot';

/**
 * Color of text, axes and grid. Like those of `palette` it is of middling lightness, to be read on light and on dark
 * pages.
 */
export const ink = '#6b7583';
/** Colors of curves and dots, in the order in which they are given out. */
export const palette: readonly string[] = [
  ...['#3b82f6', '#f97316', '#10b981', '#a855f7'],
  ...['#ef4444', '#0891b2', '#ca8a04', '#ec4899'],
];

/** Width of a panel that names none, in units of the view box. */
export const width = 720;

/** Observable Plot, for its marks. Inside this package: its types need a DOM library and those of d3. */
export type Plot = typeof PlotModule;

/** What the axes of a panel show. */
export interface AxisLabels {
  /** Stands below the horizontal axis. */
  readonly x: string;
  /** Stands beside or above the vertical axis. */
  readonly y: string;
}

/** One drawing stacked with others. */
export interface Panel {
  /** In units of the view box. */
  readonly height: number;
  /** In units of the view box; default 720. A picture is as wide as its widest panel. */
  readonly width?: number;
  /**
   * Margins, scales and marks, as `Plot.plot` takes them; the document, width and height are the picture's. `plot` is
   * the module `@observablehq/plot`; declare it as `typeof import('@observablehq/plot')` where its types are wanted.
   */
  options(plot: object): object;
}

/** From the least to the greatest value, and a share of that on both sides; a hundredth where all are one. */
export function paddedRange(values: readonly number[], share: number): [number, number] {
  const [low, high] = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ] as [number, number]);
  const padding = (high - low) * share || 0.01;
  return [low - padding, high + padding];
}

/** What a picture needs of an element. The compiler knows no DOM here, since there is none in Node. */
interface SvgElement {
  readonly attributes: Iterable<{ readonly name: string; value: string }>;
  readonly outerHTML: string;
  textContent: string;
  getAttribute(name: string): string | null;
  append(...children: SvgElement[]): void;
  querySelectorAll(selector: string): Iterable<SvgElement>;
  remove(): void;
  removeAttribute(name: string): void;
  setAttribute(name: string, value: string): void;
}

interface SvgDocument {
  createElementNS(namespace: string, name: string): SvgElement;
}

const namespace = 'http://www.w3.org/2000/svg';
/** Attributes that hold lengths. Plot gives them with up to 17 digits. */
const lengths = new Set(['cx', 'cy', 'd', 'height', 'r', 'transform', 'width', 'x', 'x1', 'x2', 'y', 'y1', 'y2']);
/** What Plot gives each drawing for pages of HTML; here the document says it once. */
const ofPages = ['class', 'fill', 'font-family', 'font-size', 'text-anchor'];

/**
 * An SVG document of panels below one another.
 *
 * @param title what a screen reader says of it
 * @param caption stands above the panels; empty for none
 */
export async function picture(title: string, caption: string, panels: readonly Panel[]): Promise<string> {
  const [plot, document] = await Promise.all([import('@observablehq/plot'), openDocument()]);
  const create = (name: string, attributes: Readonly<Record<string, string>>, content = ''): SvgElement => {
    const element = document.createElementNS(namespace, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (content !== '') element.textContent = content;
    return element;
  };
  const drawn: SvgElement[] = [];
  const whole = Math.max(...panels.map((panel) => panel.width ?? width));
  let top = caption === '' ? 0 : 24;
  for (const panel of panels) {
    const options = {
      ...panel.options(plot),
      document: document as never,
      width: panel.width ?? width,
      height: panel.height,
    };
    const svg = plot.plot(options) as unknown as SvgElement;
    for (const name of ofPages) svg.removeAttribute(name);
    for (const style of svg.querySelectorAll('style')) style.remove();
    for (const element of svg.querySelectorAll('*')) {
      roundLengths(element);
      renameMark(element);
    }
    svg.setAttribute('y', String(top));
    drawn.push(svg);
    top += panel.height;
  }
  const root = create('svg', {
    ...{ xmlns: namespace, viewBox: `0 0 ${whole} ${top}`, role: 'img', fill: 'currentColor', color: ink },
    ...{ 'font-family': 'system-ui, sans-serif', 'font-size': '12', 'text-anchor': 'middle' },
  });
  const heading = create('text', { x: '56', y: '18', 'font-size': '14', 'text-anchor': 'start' }, caption);
  root.append(create('title', {}, title), ...(caption === '' ? [] : [heading]), ...drawn);
  return `${root.outerHTML}\n`;
}

async function openDocument(): Promise<SvgDocument> {
  const { DOMParser } = await import('linkedom');
  // Its types are made of its JavaScript, and ask for arguments that it does not need.
  const parser = new DOMParser() as unknown as { parseFromString(text: string, type: string): SvgDocument };
  return parser.parseFromString(`<svg xmlns="${namespace}"/>`, 'image/svg+xml');
}

/** Plot labels its groups for screen readers, but a group without a role may not have a label. */
function renameMark(element: SvgElement): void {
  const name = element.getAttribute('aria-label');
  if (name === null) return;
  element.setAttribute('data-mark', name);
  element.removeAttribute('aria-label');
}

function roundLengths({ attributes }: SvgElement): void {
  for (const attribute of attributes) {
    if (!lengths.has(attribute.name)) continue;
    attribute.value = attribute.value.replace(/-?\d+\.\d{3,}(?:e[-+]?\d+)?/g, (number) =>
      String(Number(Number(number).toFixed(2))),
    );
  }
}
