/** Tables as plain text. */
import { terminalLine } from './terminal-text';

/**
 * Pads the cells of every column to one width, counted in code points. Missing cells of a short row become spaces.
 *
 * @param rows cells by row and column.
 * @param right whether the cells of a column, counted from 0, stand at the right.
 * @param leastWidth width that no column falls below. Default 0.
 * @returns as many rows, each as long as the longest one.
 */
export function alignColumns(
  rows: readonly (readonly string[])[],
  right: (column: number) => boolean,
  leastWidth = 0,
): string[][] {
  const widthOf = (text: string) => [...text].length;
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(leastWidth, ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  return rows.map((row) =>
    widths.map((width, column) => {
      const cell = row[column] ?? '';
      const space = ' '.repeat(width - widthOf(cell));
      return right(column) ? space + cell : cell + space;
    }),
  );
}

/**
 * Lays rows out in columns two spaces apart; the first row is the header. Numbers should come formatted. Control
 * characters become U+FFFD: a title may come from anywhere, and a terminal would obey it.
 * @param right columns whose cells stand at the right; default: all but the first
 */
export function textTable(
  rows: readonly (readonly string[])[],
  right: (column: number) => boolean = (column) => column > 0,
): string {
  const shown = rows.map((row) => row.map(terminalLine));
  return alignColumns(shown, right)
    .map((cells) => cells.join('  ').trimEnd())
    .join('\n');
}

/** A metric with `digits` decimals (default 4), or `-` where it is null or undefined. */
export function decimals(value: number | null | undefined, digits = 4): string {
  return value === null || value === undefined ? '-' : value.toFixed(digits);
}

/** A number with three significant digits, at most six decimals, and all digits before the point. */
export function significant(value: number): string {
  if (!Number.isFinite(value) || value === 0) return `${value}`;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}

/** Formats a duration in seconds as `1h02m`, `3m05s` or `12s`, rounded; `?` where it is not finite. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (hours > 0) return `${hours}h${String(minutes).padStart(2, '0')}m`;
  if (minutes > 0) return `${minutes}m${String(rest).padStart(2, '0')}s`;
  return `${rest}s`;
}
