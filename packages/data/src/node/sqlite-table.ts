/** Tables and queries of SQLite files. Node only. */
import { open } from 'node:fs/promises';
import { InputError } from '@crossgate/core';
import { orderWarning, quoteTable, type SqlSource } from '../sql-options';
import type { Cell, Table, TableColumn } from '../table';
import { loadOptional } from './optional-library';

/** Rows that are handed on together. */
const batchRows = 4096;

/** Whether a file begins as those of SQLite do. */
export async function isSqlite(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
    return bytesRead === 16 && buffer.toString('latin1') === 'SQLite format 3\0';
  } finally {
    await file.close();
  }
}

/** Columns of SQLite have no types but what each value is. */
function cellOf(value: unknown, column: string, place: () => string): Cell {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  // A whole number kept as REAL is shown as SQLite shows it, so that 42.0 is not the id 42.
  if (typeof value === 'number') return Number.isInteger(value) ? value.toFixed(1) : value;
  throw new InputError(`column ${column} holds bytes (BLOB), which are neither a text nor a number`, {
    code: 'csv.value',
    place: place(),
    fix: `write CAST("${column}" AS TEXT) in a query (data.sql.query)`,
  });
}

/**
 * A table or query of a SQLite file, which is not written to.
 *
 * @param path of the file; @param name in messages.
 * @throws InputError naming the key of the query or table that SQLite refuses, or the file that is damaged.
 */
export async function sqliteTable(sql: SqlSource, path: string, name: string): Promise<Table> {
  const { default: Database } = await loadOptional(() => import('libsql'), 'libsql', name);
  const refuse = (error: unknown) =>
    error instanceof InputError
      ? error
      : new InputError(`is refused by SQLite: ${error instanceof Error ? error.message : error}`, {
          code: 'data.query',
          place: sql.key,
          fix: `correct it; it is asked of ${name}`,
          cause: error,
        });
  const database = new Database(path);
  try {
    database.exec('PRAGMA query_only = ON');
    const text = sql.query ?? `SELECT * FROM ${quoteTable(sql.table as string)}`;
    const statement = database.prepare(text);
    const described = statement.columns();
    if (described.length === 0) throw refuse(new Error('it gives no rows'));
    const columns = described.map(({ name: column, type }): TableColumn => {
      return { name: column, type: type ?? 'without a type', kind: 'text' };
    });
    const shown = sql.table ?? sql.key;
    return {
      name: shown,
      columns,
      warnings: orderWarning(sql, true),
      async *read(indices) {
        let row = 0;
        const chosen = indices.map((index) => ({ index, name: columns[index]!.name }));
        try {
          const rows = statement.raw(true).safeIntegers(true).iterate() as Iterable<readonly unknown[]>;
          let batch: Cell[][] = chosen.map(() => []);
          for (const values of rows) {
            row++;
            for (const [at, column] of chosen.entries())
              batch[at]!.push(cellOf(values[column.index], column.name, () => `${shown}:row ${row}`));
            if (batch[0]!.length < batchRows) continue;
            yield { rows: batchRows, columns: batch };
            batch = chosen.map(() => []);
          }
          yield { rows: batch[0]?.length ?? 0, columns: batch };
        } catch (error) {
          throw refuse(error);
        }
      },
      async close() {
        database.close();
      },
    };
  } catch (error) {
    database.close();
    throw refuse(error);
  }
}
