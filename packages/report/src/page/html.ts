/** Markup of the page. Text becomes markup here alone, so that a title is never read as a tag. */
import { width } from '../charts/picture';

/** What may stand in a page as it is. Only {@link html} and {@link trusted} make it. */
export class Markup {
  constructor(
    /** HTML. */
    readonly text: string,
  ) {}
}

/** What a template takes: markup as it is, everything else as text. A list is put one after another. */
export type Content = string | number | Markup | readonly Content[];

/** Text that means itself, between tags and in quoted attributes. */
export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

function render(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string' || typeof content === 'number') return escapeText(String(content));
  return content.map(render).join('');
}

/** A template whose values are escaped. Attributes must be quoted. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.map((text, i) => text + (i < values.length ? render(values[i]!) : '')).join(''));
}

/** Markup that was made elsewhere, such as a picture. Never of what a user wrote. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

/** A cell; null and undefined are missing values. */
export type Cell = string | number | Markup | null | undefined;

/**
 * A table with a caption, in a box that scrolls by itself where the screen is narrow. The box is a group, no landmark: a
 * page has dozens, and runs share captions.
 */
export function table(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  /** How many columns, from the left, hold words; the others hold numbers. Default 1. */
  words = 1,
): Markup {
  const kind = (column: number) => (column < words ? 'word' : 'number');
  const head = columns.map((name, i) => html`<th scope="col" class="${kind(i)}">${name}</th>`);
  const body = rows.map((cells) => {
    const [first, ...others] = cells.map((cell) => cell ?? '–');
    const rest = others.map((cell, i) => html`<td class="${kind(i + 1)}">${cell}</td>`);
    return html`<tr><th scope="row">${first ?? '–'}</th>${rest}</tr>\n`;
  });
  return html`<div class="scroll" role="group" tabindex="0" aria-label="${caption}"><table>
<caption>${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody></table></div>
`;
}

/** A picture with what it shows in words. @param svg of `picture` */
export function figure(svg: string, caption: Content): Markup {
  // A narrow picture fits a phone; a wide one scrolls, since its letters could not be read.
  const isNarrow = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1]) < width;
  return html`<figure${trusted(isNarrow ? ' class="narrow"' : '')}><div class="scroll" role="group" tabindex="0" aria-label="Picture">${trusted(svg)}</div>
<figcaption>${caption}</figcaption></figure>
`;
}

/** Names of curves in the order of their colors. */
export function legend(names: readonly string[]): Markup {
  const entries = names.map((name, i) => html`<li class="color-${i % 8}${i >= 8 ? ' dashed' : ''}">${name}</li>`);
  return html`<ul class="legend">${entries}</ul>`;
}

/** Why something is not on the page. */
export function missing(reason: string): Markup {
  return html`<p class="missing">Not shown: ${reason.replace(/\.$/, '')}.</p>\n`;
}

/** A part of the page with a heading. Only the upper ones are landmarks: the runs' names head several of the lower. */
export function section(id: string, level: 2 | 3, title: string, ...content: readonly Content[]): Markup {
  const heading = html`<h${level} id="${id}-title">${title}</h${level}>`;
  const label = trusted(level === 2 ? ` aria-labelledby="${id}-title"` : '');
  return html`<section id="${id}"${label}>${heading}
${content}</section>
`;
}
