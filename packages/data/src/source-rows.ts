/** Rows of a source, whatever its form: one or several files of text, or tables whose columns have types. */

import { InputError } from '@crossgate/core';
import { columnsFor } from './column-names';
import { type CsvColumns, readCsv } from './read-csv';
import type { SourceFolder } from './source';
import type { SqlSource } from './sql-options';
import type { Cell, CellKind, Table, TableColumn } from './table';

/** A row of a source. */
export interface SourceRow {
  /** Its number, counted through all files; `Places` tells which row of which file that is. */
  readonly line: number;
  /** The values of the columns and then of the optional ones; undefined where an optional column is not there. */
  readonly values: readonly (Cell | undefined)[];
}

/** Where rows stand, by their number through all files. */
export class Places {
  private readonly parts: { readonly before: number; readonly name: string; readonly isTable: boolean }[] = [];
  private last = 0;

  /** Begins the next file. */
  begin(name: string, isTable: boolean): void {
    this.parts.push({ before: this.last, name, isTable });
  }

  /** The number of a row of the present file by its line in it, from 1. */
  number(line: number): number {
    this.last = (this.parts.at(-1)?.before ?? 0) + line;
    return this.last;
  }

  /** The place of a row in messages: `events.csv:17`, or `events.parquet:row 17`. */
  at(number: number): string {
    const part = this.parts.findLast(({ before }) => before < number);
    if (part === undefined) return `${number}`;
    return `${part.name}:${part.isTable ? 'row ' : ''}${number - part.before}`;
  }

  /** The present file, for messages about all of its rows. */
  header(): string {
    const { name, isTable } = this.parts.at(-1) ?? { name: '', isTable: true };
    return isTable ? name : `${name}:1`;
  }
}

/** The columns to read from a source, what they are for, and who is told of what is found. */
export interface SourceFormat extends Omit<CsvColumns, 'name'> {
  /** Columns that hold ids: fractions and times are refused there. */
  readonly ids: readonly string[];
  /** The column of times, where one is read. */
  readonly time?: string | undefined;
  /** Whether `data.csv.timeFormat` is given: it says how texts are read, so a typed column does not go with it. */
  readonly hasTimeFormat?: boolean;
  /** Takes the kind of each value before the rows of a table; undefined for text. */
  readonly onKinds?: (kinds: readonly (CellKind | undefined)[] | undefined) => void;
  /** Takes remarks on a source. */
  readonly onWarnings?: (warnings: readonly string[]) => void;
}

/**
 * Reads the rows of files, or of a database, in their order; a few thousand at a time are in memory.
 *
 * @param from the name of the file or files, or what of a database.
 * @throws InputError naming the file and row or line for what is malformed, and for a column that is missing or of a
 * type that does not fit.
 */
export async function* sourceRows(
  source: SourceFolder,
  from: string | SqlSource,
  format: SourceFormat,
  places: Places,
): AsyncGenerator<readonly SourceRow[]> {
  if (typeof from !== 'string') {
    if (source.query === undefined)
      throw new InputError('is read by programs for Node alone', { code: 'data.option', place: from.key });
    remarkOnForm('a database', format);
    yield* tableRows(await source.query(from), format, places);
    return;
  }
  const parts = (await source.parts?.(from)) ?? [{ name: from, table: undefined }];
  if (parts.every(({ isTyped }) => isTyped)) remarkOnForm(from, format);
  for (const { name, table } of parts) {
    if (table !== undefined) {
      yield* tableRows(await table(format), format, places);
      continue;
    }
    places.begin(name, false);
    format.onKinds?.(undefined);
    for await (const rows of readCsv(await source.open(name), { ...format, name })) {
      yield rows.map(({ line, values }) => ({ line: places.number(line), values }));
    }
  }
}

/** Says which options for the form of CSV were given in vain. */
function remarkOnForm(of: string, { separator, encoding, header, onWarnings }: SourceFormat): void {
  const given = [
    ...(separator === ',' ? [] : ['data.csv.separator']),
    ...(encoding === undefined ? [] : ['data.csv.encoding']),
    ...(header === undefined ? [] : ['data.csv.header']),
  ];
  if (given.length > 0) onWarnings?.([`${of} is no CSV, so it is read without ${given.join(' and ')}`]);
}

async function* tableRows(table: Table, format: SourceFormat, places: Places): AsyncGenerator<readonly SourceRow[]> {
  try {
    places.begin(table.name, true);
    const names = table.columns.map(({ name }) => name);
    const indices = [...format.columns, ...(format.optional ?? [])].map((name) => names.indexOf(name));
    const missing = indices.slice(0, format.columns.length).indexOf(-1);
    if (missing >= 0) throw missingColumn(format.columns[missing] as string, table, format);
    const chosen = indices.map((index) => (index < 0 ? undefined : (table.columns[index] as TableColumn)));
    for (const column of chosen) if (column !== undefined) requireKind(column, table, format);
    format.onHeader?.(names);
    format.onKinds?.(chosen.map((column) => column?.kind));
    format.onWarnings?.(table.warnings ?? []);
    const present = indices.filter((index) => index >= 0);
    // Where each value stands among the columns that are read.
    const at = indices.map((index) => (index < 0 ? -1 : present.indexOf(index)));
    let row = 0;
    for await (const { rows, columns } of table.read(present)) {
      const batch: SourceRow[] = [];
      for (let index = 0; index < rows; index++) {
        row++;
        batch.push({ line: places.number(row), values: at.map((column) => columns[column]?.[index]) });
      }
      yield batch;
    }
  } finally {
    await table.close();
  }
}

function missingColumn(column: string, table: Table, { columns, keys }: SourceFormat): InputError {
  const names = table.columns.map(({ name }) => name);
  const { key, role } = keys?.columns[column] ?? {};
  const found = role === undefined ? undefined : columnsFor(role, names)[0];
  const advice =
    keys === undefined
      ? `write it with the columns ${columns.join(', ')}`
      : found === undefined
        ? `name yours by ${key ?? 'its key'}`
        : `set ${key}: ${found}, which looks like it`;
  return new InputError(`column ${column} is missing (there are ${names.join(', ')})`, {
    code: 'csv.column',
    place: table.name,
    fix: advice,
  });
}

const asText = (name: string, type: string) => `CAST("${name}" AS ${type}) in a query (data.sql.query)`;

/** @throws InputError for a column whose type does not fit what it is for */
function requireKind({ name, type, kind }: TableColumn, table: Table, format: SourceFormat): void {
  const refuse = (problem: string, fix: string) =>
    new InputError(problem, {
      code: 'csv.column',
      place: table.name,
      // Without keys of a config there is no query either.
      fix: format.keys === undefined ? 'write it with another type' : fix,
    });
  if (kind === 'other')
    throw refuse(`column ${name} is ${type}, which is neither a text nor a number`, `write ${asText(name, 'VARCHAR')}`);
  if (format.ids.includes(name) && kind !== 'text' && kind !== 'integer')
    throw refuse(
      `column ${name} is ${type}; ids are texts or whole numbers`,
      `write ${asText(name, kind === 'number' ? 'BIGINT' : 'VARCHAR')}, or the file with another type`,
    );
  if (name === format.time && kind === 'time' && format.hasTimeFormat)
    throw refuse(`column ${name} is ${type}, which needs no data.csv.timeFormat`, 'leave it out');
}
