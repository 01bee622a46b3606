/** Tables as plain text and Markdown. */

export interface TableColumn {
  readonly header: string;
  /** Digits after the point for numbers that are not whole (default 4). */
  readonly digits?: number;
  /** Default: right where every cell is a number or missing, else left. */
  readonly align?: 'left' | 'right';
}

export type TableCell = string | number | null | undefined;

/**
 * Renders a table. Missing cells read `–`.
 *
 * @param columns headers, or headers with digits and alignment
 * @throws RangeError when a row has another number of cells than there are columns
 */
export function renderTable(
  columns: readonly (string | TableColumn)[],
  rows: readonly (readonly TableCell[])[],
  format: 'text' | 'markdown' = 'text',
): string {
  const specs = columns.map((column): TableColumn => (typeof column === 'string' ? { header: column } : column));
  for (const [index, row] of rows.entries()) {
    if (row.length !== specs.length)
      throw new RangeError(`row ${index} has ${row.length} cells for ${specs.length} columns`);
  }
  const clean = (text: string) => {
    const line = text.replaceAll(/\s*[\r\n]+\s*/g, ' ');
    return format === 'markdown' ? line.replaceAll('|', '\\|') : line;
  };
  const cellText = (cell: TableCell, digits = 4): string => {
    if (cell === null || cell === undefined) return '–';
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
  // Code points, not UTF-16 units, so that characters beyond the basic plane count once.
  const width = (text: string) => [...text].length;
  const widths = headers.map((header, index) =>
    Math.max(format === 'markdown' ? 3 : 1, width(header), ...texts.map((row) => width(row[index] as string))),
  );
  const pad = (text: string, index: number) => {
    const space = ' '.repeat((widths[index] as number) - width(text));
    return right[index] ? space + text : text + space;
  };
  const line = (cells: readonly string[]) => {
    const padded = cells.map(pad);
    return format === 'markdown' ? `| ${padded.join(' | ')} |` : padded.join('  ').trimEnd();
  };
  const rule = widths.map((size, index) => {
    if (format === 'text') return '-'.repeat(size);
    return right[index] ? `${'-'.repeat(size - 1)}:` : '-'.repeat(size);
  });
  return [line(headers), line(rule), ...texts.map(line)].join('\n');
}
