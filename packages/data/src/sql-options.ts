/** The options `data.sql`: which rows of which database. */
import { InputError } from '@crossgate/core';
import type { SqlOptions } from './options';

/** One table or query of a database. */
export interface SqlSource {
  /** File in the source folder, or address of a server; undefined: the files of the folder themselves. */
  readonly database: string | undefined;
  /** A table or view; undefined where there is a query. */
  readonly table: string | undefined;
  /** A query, without a semicolon at its end; undefined where there is a table. */
  readonly query: string | undefined;
  /** The key of a config that holds the table or query, for messages. */
  readonly key: string;
}

/** The rows that come from a database. */
export interface SqlPlan {
  readonly events: SqlSource;
  /** Undefined: titles are read from a file, if from anything. */
  readonly items: SqlSource | undefined;
}

const refusal = (problem: string, key: string, fix: string) =>
  new InputError(problem, { code: 'data.option', place: `data.sql.${key}`, fix });

/** Whether a database is a PostgreSQL server. */
export function isServer(database: string): boolean {
  return /^postgres(ql)?:/i.test(database);
}

/** What is wrong with the address of a server, in words that do not repeat it: a password, or its form. */
export function addressProblem(database: string): { readonly problem: string; readonly fix: string } | undefined {
  if (!isServer(database)) return undefined;
  const address = URL.canParse(database) ? new URL(database) : undefined;
  if (address === undefined)
    return { problem: 'is no address of a server', fix: 'write it as postgres://user@host:5432/name' };
  if (address.password === '' && !address.searchParams.has('password')) return undefined;
  return {
    problem: 'holds a password, which would be kept in the files of runs',
    fix: 'take it out, and set PGPASSWORD in the environment, or write it in ~/.pgpass',
  };
}

/**
 * Checks the options of SQL.
 *
 * @param options undefined or null where there are none.
 * @returns undefined where no option is given.
 * @throws InputError naming the key for options that exclude each other, one that is missing, and a password.
 */
export function planSql(options: SqlOptions | null | undefined): SqlPlan | undefined {
  const { database: given, query, table, itemsQuery, itemsTable } = options ?? {};
  const [database, ...asked] = [given, query, table, itemsQuery, itemsTable].map((value) => value ?? undefined);
  if (database === undefined && asked.every((value) => value === undefined)) return undefined;
  const address = database === undefined ? undefined : addressProblem(database);
  if (address !== undefined) throw refusal(address.problem, 'database', address.fix);
  const one = (key: 'query' | 'itemsQuery', tableKey: 'table' | 'itemsTable') => {
    const [text, name] = [options?.[key] ?? undefined, options?.[tableKey] ?? undefined];
    if (text !== undefined && name !== undefined)
      throw refusal(`a query and a table (data.sql.${tableKey}) are two sources`, key, 'leave one out');
    if (name !== undefined && database === undefined)
      throw refusal('is a table of no database', tableKey, 'name the database by data.sql.database');
    if (text === undefined && name === undefined) return undefined;
    const bare = text?.trim().replace(/(\s*;)+$/, '');
    if (bare === '' || name?.trim() === '')
      throw refusal('is empty', text === undefined ? tableKey : key, 'write one, or leave the key out');
    return { database, table: name, query: bare, key: `data.sql.${text === undefined ? tableKey : key}` };
  };
  const events = one('query', 'table');
  if (events === undefined)
    throw refusal(
      'is needed to know which rows are the events',
      'query',
      'write a query, or name a table (data.sql.table)',
    );
  return { events, items: one('itemsQuery', 'itemsTable') };
}

/** Identifier of SQL in quotes; a point parts a schema from a table. */
export function quoteTable(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}

/** A warning where nothing fixes the order of rows: equal times, and the order of users, follow it. */
export function orderWarning({ query, key }: SqlSource, tableKeepsOrder: boolean): string[] {
  if (query === undefined ? tableKeepsOrder : /\border\s+by\b/i.test(query)) return [];
  return [
    `${key}: nothing fixes the order of the rows, so that the data's hash may differ at the next reading; a query with ORDER BY does`,
  ];
}
