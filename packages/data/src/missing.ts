/** Texts that stand for a missing value, in all columns or by column. */
import type { CsvOptions, MissingColumn } from './options';

/** The option without columns that have none; undefined where it is not given. */
export function missingTexts(
  missing: CsvOptions['missing'],
): readonly string[] | Readonly<Record<string, readonly string[]>> | undefined {
  if (missing === null || missing === undefined) return undefined;
  if (isList(missing)) return missing;
  const given = Object.entries(missing).filter((entry): entry is [string, readonly string[]] =>
    Array.isArray(entry[1]),
  );
  return Object.fromEntries(given);
}

function isList(missing: object): missing is readonly string[] {
  return Array.isArray(missing);
}

/** What tells whether the value of a column is missing; undefined where none is. */
export function missingCheck(
  missing: CsvOptions['missing'],
): ((column: MissingColumn, text: string | undefined) => boolean) | undefined {
  const texts = missingTexts(missing);
  if (texts === undefined) return undefined;
  let ofColumn: (column: MissingColumn) => ReadonlySet<string> | undefined;
  if (isList(texts)) {
    const values = new Set(texts);
    // An id may be spelled like a missing value, but it is never nothing.
    const ids = new Set(values.has('') ? [''] : []);
    ofColumn = (column) => (column === 'user' || column === 'item' ? ids : values);
  } else {
    const sets = new Map(Object.entries(texts).map(([column, each]) => [column, new Set(each)]));
    ofColumn = (column) => sets.get(column);
  }
  return (column, text) => text !== undefined && (ofColumn(column)?.has(text.trim()) ?? false);
}
