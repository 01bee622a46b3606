/** Tables and queries of PostgreSQL servers, read through a cursor. Node only. */
import { InputError } from '@crossgate/core';
import { orderWarning, quoteTable, type SqlSource } from '../sql-options';
import type { Cell, CellKind, Table, TableColumn } from '../table';
import { parseTime } from '../time';
import { loadOptional } from './optional-library';

/** Rows that are fetched together, and in memory. */
const batchRows = 8192;

/** Milliseconds for a server to answer the first time. */
const connectLimit = 20_000;

/** Types by their number in the system's catalog, which never changes. */
const kinds: Readonly<Record<number, readonly [type: string, kind: CellKind]>> = {
  16: ['boolean', 'flag'],
  ...{ 20: ['bigint', 'integer'], 21: ['smallint', 'integer'], 23: ['integer', 'integer'] },
  ...{ 18: ['char', 'text'], 19: ['name', 'text'], 25: ['text', 'text'], 1042: ['character', 'text'] },
  ...{ 1043: ['character varying', 'text'], 2950: ['uuid', 'text'], 705: ['unknown', 'text'] },
  ...{ 700: ['real', 'number'], 701: ['double precision', 'number'], 1700: ['numeric', 'number'] },
  ...{ 1082: ['date', 'time'], 1114: ['timestamp', 'time'], 1184: ['timestamp with time zone', 'time'] },
};

/** The address without a user, a password and options, for messages. */
function shownAddress(address: string): string {
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname}`;
}

/**
 * A table or query of a PostgreSQL server. The transaction reads only. The password is that of PGPASSWORD or ~/.pgpass.
 *
 * @param address of the server, without a password.
 * @throws InputError naming the server that does not answer or lets nobody in, or the key of what it refuses.
 */
export async function postgresTable(
  sql: SqlSource,
  address: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Table> {
  const { default: pg } = await loadOptional(() => import('pg'), 'pg', 'a PostgreSQL server');
  const shown = shownAddress(address);
  const client = new pg.Client({
    connectionString: address,
    connectionTimeoutMillis: connectLimit,
    application_name: 'crossgate',
    // Values come as the server writes them.
    types: { getTypeParser: () => (text: string) => text },
    ...(env.PGPASSWORD !== undefined && { password: env.PGPASSWORD }),
  });
  // A connection that breaks while nobody waits for it must not end the process; the next query fails.
  client.on('error', () => {});
  const fail = (error: unknown, doing: 'connect' | 'ask'): InputError => {
    if (error instanceof InputError) return error;
    const { code = '', message } = error as { code?: string; message: string };
    // Some errors of the network have nothing but their parts.
    const said = message || (error as AggregateError).errors?.map((each: Error) => each.message).join(', ') || code;
    const isRefused =
      doing === 'ask' && /^[2-9A-Z][0-9A-Z]{4}$/.test(code) && !code.startsWith('57') && !code.startsWith('08');
    if (isRefused)
      return new InputError(`is refused by PostgreSQL: ${said} (${code})`, {
        code: 'data.query',
        place: sql.key,
        fix: `correct it; it is asked of ${shown}`,
        cause: error,
      });
    const isPassword = code.startsWith('28') || /password/i.test(said);
    return new InputError(
      `${doing === 'connect' ? 'no connection to' : 'lost the connection to'} the server (${said})`,
      {
        code: 'data.query',
        place: shown,
        fix: isPassword
          ? 'set PGPASSWORD, or write the password in ~/.pgpass; name the user in data.sql.database'
          : 'check that it runs and is reachable from here, and the address (data.sql.database)',
        cause: error,
      },
    );
  };
  const fetch = () =>
    client.query<(string | null)[]>({ text: `FETCH ${batchRows} FROM crossgate_rows`, rowMode: 'array' });
  try {
    await client.connect().catch((error) => {
      throw fail(error, 'connect');
    });
    await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1");
    // Tables are read from their beginning, and all rows are wanted.
    await client.query('SET synchronize_seqscans = off; SET cursor_tuple_fraction = 1');
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const text = sql.query ?? `SELECT * FROM ${quoteTable(sql.table as string)}`;
    await client.query(`DECLARE crossgate_rows NO SCROLL CURSOR FOR ${text}`);
    const first = await fetch();
    const columns = first.fields.map(({ name, dataTypeID }): TableColumn => {
      const [type, kind] = kinds[dataTypeID] ?? [`a type of number ${dataTypeID}`, 'other' as const];
      return { name, type, kind };
    });
    const name = sql.table ?? sql.key;
    return {
      name,
      columns,
      warnings: orderWarning(sql, false),
      async *read(indices) {
        const chosen = indices.map((index) => ({ index, reader: readerOf(columns[index]!.kind) }));
        try {
          for (let { rows } = first; rows.length > 0; { rows } = await fetch()) {
            const cells = chosen.map(({ index, reader }) =>
              rows.map((row): Cell => {
                const value = row[index];
                return value === null || value === undefined ? '' : reader(value);
              }),
            );
            yield { rows: rows.length, columns: cells };
          }
        } catch (error) {
          throw fail(error, 'ask');
        }
      },
      async close() {
        await client.end().catch(() => {});
      },
    };
  } catch (error) {
    await client.end().catch(() => {});
    throw fail(error, 'ask');
  }
}

/** How a value is read that the server writes as text. */
function readerOf(kind: CellKind): (text: string) => Cell {
  const number = (text: string) => (Number.isNaN(Number(text)) ? text : Number(text));
  switch (kind) {
    case 'integer':
      return (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : text);
    case 'number':
      return number;
    case 'flag':
      return (text) => (text === 't' ? 'true' : text === 'f' ? 'false' : text);
    case 'time':
      // What is no time, such as infinity, is refused as such by whoever reads it.
      return (text) => parseTime(text) ?? text;
    default:
      return (text) => text;
  }
}
