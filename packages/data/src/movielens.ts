/** What the MovieLens data sets say of films besides their titles. */
import { AttributeTable } from './attribute-table';

/** A table of genres and year; cells have `|` between genres. */
export function movieAttributes(): AttributeTable {
  const columns = [{ name: 'genres', type: 'text' } as const, { name: 'year', type: 'number' } as const];
  return new AttributeTable(columns, { separator: '|' });
}

/** The year that ends a title: `Heat (1995)`; '' where there is none. */
export function yearOf(title: string): string {
  return /\((\d{4})\)$/.exec(title)?.[1] ?? '';
}
