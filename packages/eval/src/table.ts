/** Tables as plain text, Markdown, LaTeX and JSON. */
import { alignColumns, InputError } from '@crossgate/core';

/** A column of a table. */
export interface TableColumn {
  /** Its heading; in JSON the key of its cells. */
  readonly header: string;
  /** Digits after the point for numbers that are not whole (default 4). JSON keeps numbers as they are. */
  readonly digits?: number;
  /** Default: right when all cells are numbers or missing, else left. */
  readonly align?: 'left' | 'right';
}

/** A cell of a table; null and undefined are missing values. */
export type TableCell = string | number | null | undefined;

/**
 * Format of a table. `latex` is a `tabular` with rules of the booktabs package; `json` is an array of one object per
 * row.
 */
export type TableFormat = 'text' | 'markdown' | 'latex' | 'json';

/**
 * Renders a table. Missing cells appear as `–`. In JSON they are null, and numbers that are not finite become strings.
 *
 * @param columns headers, or headers with digits and alignment.
 * @param rows cells of each row, one per column.
 * @param format default `text`.
 * @throws InputError for a row with another number of cells than there are columns, and for a JSON table with two equal
 * headers.
 */
export function renderTable(
  columns: readonly (string | TableColumn)[],
  rows: readonly (readonly TableCell[])[],
  format: TableFormat = 'text',
): string {
  const specs = columns.map((column): TableColumn => (typeof column === 'string' ? { header: column } : column));
  for (const [index, row] of rows.entries()) {
    if (row.length !== specs.length)
      throw new InputError(`row ${index} has ${row.length} cells for ${specs.length} columns`);
  }
  if (format === 'json') return renderJson(specs, rows);
  const clean = (text: string) => escapeFor[format](text.replaceAll(/\s*[\r\n]+\s*/g, ' '));
  const cellText = (cell: TableCell, digits = 4): string => {
    if (cell === null || cell === undefined) return clean('–');
    if (typeof cell === 'string') return clean(cell);
    return Number.isInteger(cell) || !Number.isFinite(cell) ? String(cell) : cell.toFixed(digits);
  };
  const texts = rows.map((row) => row.map((cell, index) => cellText(cell, specs[index]?.digits)));
  const headers = specs.map((spec) => clean(spec.header));
  const right = specs.map((spec, index) =>
    spec.align === undefined
      ? rows.length > 0 && rows.every((row) => typeof row[index] !== 'string')
      : spec.align === 'right',
  );
  const aligned = alignColumns([headers, ...texts], (index) => right[index] === true, format === 'markdown' ? 3 : 1);
  const [header, ...body] = aligned.map((cells) => {
    if (format === 'latex') return `${cells.join(' & ')} \\\\`;
    return format === 'markdown' ? `| ${cells.join(' | ')} |` : cells.join('  ').trimEnd();
  });
  if (format === 'latex') {
    const alignment = right.map((isRight) => (isRight ? 'r' : 'l')).join('');
    const lines = ['\\toprule', header, '\\midrule', ...body, '\\bottomrule'];
    return [`\\begin{tabular}{${alignment}}`, ...lines, '\\end{tabular}'].join('\n');
  }
  const rule = aligned[0]!.map((cell, index) => {
    const { length } = [...cell];
    if (format === 'text') return '-'.repeat(length);
    return right[index] ? `${'-'.repeat(length - 1)}:` : '-'.repeat(length);
  });
  const rules = format === 'markdown' ? `| ${rule.join(' | ')} |` : rule.join('  ');
  return [header, rules, ...body].join('\n');
}

const latexOf: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '–': '--',
  '−': '$-$',
  '±': '$\\pm$',
};

const escapeFor: Readonly<Record<'text' | 'markdown' | 'latex', (text: string) => string>> = {
  text: (text) => text,
  markdown: (text) => text.replaceAll(/[\\|]/g, '\\$&'),
  latex: (text) =>
    text
      .replaceAll(/[\\~^<>–−±&%$#_{}]/g, (character) => latexOf[character] ?? `\\${character}`)
      // At the start of a row these two belong to the command that ends the line before.
      .replace(/^[[*]/, '{$&}'),
};

function renderJson(columns: readonly TableColumn[], rows: readonly (readonly TableCell[])[]): string {
  const headers = columns.map((column) => column.header);
  const twice = headers.find((header, index) => headers.indexOf(header) !== index);
  if (twice !== undefined)
    throw new InputError(`two columns are called ${JSON.stringify(twice)}: JSON needs them apart`);
  const value = (cell: TableCell) => {
    if (cell === undefined) return null;
    return typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell;
  };
  // By entries, so that a header such as __proto__ is a key like any other.
  const objects = rows.map((row) => Object.fromEntries(headers.map((header, index) => [header, value(row[index])])));
  return JSON.stringify(objects, null, 2);
}
