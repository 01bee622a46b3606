/** Plain text tables by columns. */
import { textTable } from '@crossgate/core';

/** A column: its title and whether its cells are numbers, which stand at the right. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Lays cells out in columns two spaces apart. */
export function columnTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return textTable([columns.map(({ title }) => title), ...rows], (column) => columns[column]?.right === true);
}
