// Pieces of SVG for pictures of ideas: boxes, dots, arrows, words. The colors of docs/overview.svg, to be read on light
// and dark pages.

/** Words outside boxes, lines and axes. */
export const ink = '#768390';
/** Words inside boxes. */
export const dark = '#1f2328';
/** Fill and stroke of boxes and dots by what they stand for. */
export const colors = {
  plain: ['#eaeef2', '#8c959f'],
  user: ['#cfe3fb', '#3b7fc4'],
  item: ['#ffe3c2', '#d4842a'],
  good: ['#c9efd6', '#2f9e5b'],
  bad: ['#f9d3d3', '#c4504b'],
};
/** @typedef {keyof typeof colors} Color */

/** @param {string | number} text */
const escapeXml = (text) => String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** @param {number} value */
const short = (value) => String(Number(value.toFixed(1)));
/** @param {Color} color */
const paint = (color) => `fill="${colors[color][0]}" stroke="${colors[color][1]}"`;

/**
 * @param {number} x
 * @param {number} y the base line
 * @param {string | number} content
 * @param {{ anchor?: 'start' | 'middle' | 'end', fill?: string, size?: number, bold?: boolean }} [style]
 */
export function words(x, y, content, { anchor = 'middle', fill = ink, size = 12.5, bold = false } = {}) {
  const weight = bold ? ' font-weight="600"' : '';
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}" fill="${fill}" font-size="${size}"${weight}>${escapeXml(content)}</text>`;
}

/** Sentences under one another, from the left. @type {(x: number, y: number, ...lines: string[]) => string[]} */
export const sentences = (x, y, ...lines) =>
  lines.map((content, i) => words(x, y + 18 * i, content, { anchor: 'start' }));

/** @type {(x: number, y: number, width: number, height: number, color: Color, radius?: number) => string} */
export const box = (x, y, width, height, color, radius = 6) =>
  `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" rx="${radius}" ${paint(color)} stroke-width="1.5"/>`;

/**
 * A dot; a hollow one shows only its rim. @type {(x: number, y: number, color: Color, hollow?: boolean, radius?:
 * number) => string}
 */
export const dot = (x, y, color, hollow = false, radius = 7) =>
  `<circle cx="${short(x)}" cy="${short(y)}" r="${radius}" ${hollow ? `fill="none" stroke="${colors[color][1]}"` : paint(color)} stroke-width="1.8"/>`;

/**
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 * @param {{ stroke?: string | undefined, width?: number, dashed?: boolean, arrow?: boolean }} [style]
 */
export function line(x1, y1, x2, y2, { stroke = ink, width = 1.6, dashed = false, arrow = false } = {}) {
  const extra = `${dashed ? ' stroke-dasharray="5 4"' : ''}${arrow ? ' marker-end="url(#head)"' : ''}`;
  return `<path d="M${short(x1)} ${short(y1)}L${short(x2)} ${short(y2)}" fill="none" stroke="${stroke}" stroke-width="${short(width)}"${extra}/>`;
}

/**
 * A whole picture.
 *
 * @param {string} title
 * @param {string} description what is to be seen, for those who do not see it
 * @param {number} height
 * @param {readonly string[]} parts
 */
export function picture(title, description, height, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 ${height}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="title description">
<title id="title">${escapeXml(title)}</title>
<desc id="description">${escapeXml(description)}</desc>
<defs><marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="${ink}"/></marker></defs>
${parts.join('\n')}
</svg>
`;
}
