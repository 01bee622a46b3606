/** Pieces of SVG: text, lines, ticks. Colors are of middling lightness, to be read on light and on dark pages. */

/** Color of text, axes and grid. */
export const ink = '#6b7583';
/** Colors of curves and dots, in the order in which they are given out. */
export const palette: readonly string[] = ['#3b82f6', '#f97316', '#10b981', '#a855f7'];

/** Width of a picture, in units of its view box. */
export const width = 720;

/** One drawing stacked with others. */
export interface Panel {
  readonly height: number;
  /** @param top where it begins. @returns SVG elements */
  draw(top: number): string;
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text as XML has it. */
export const escapeXml = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => escapes[character]!);

/** A text element. */
export function textAt(
  x: number,
  y: number,
  anchor: 'start' | 'middle' | 'end',
  content: string | number,
  fill: string = ink,
): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}">${escapeXml(String(content))}</text>`;
}

/** A line element; `extra` are attributes. */
export function lineFrom(x1: number, y1: number, x2: number, y2: number, extra = '', stroke: string = ink): string {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}" ${extra}/>`;
}

/** Round numbers that divide a range into about five. */
export function ticks(low: number, high: number): number[] {
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/** An SVG document of panels below one another. */
export function picture(title: string, caption: string, panels: readonly Panel[]): string {
  let top = 24;
  const drawn: string[] = [];
  for (const panel of panels) {
    drawn.push(panel.draw(top));
    top += panel.height;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" font-family="system-ui, sans-serif" font-size="12">
<title>${escapeXml(title)}</title>
<text x="56" y="18" font-size="14" fill="${ink}">${escapeXml(caption)}</text>
${drawn.join('\n')}
</svg>
`;
}
