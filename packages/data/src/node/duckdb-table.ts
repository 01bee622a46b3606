/** Parquet, JSON lines, DuckDB files and queries over files as tables, by DuckDB. Node only. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import type { CsvForm } from '../source';
import { orderWarning, quoteTable, type SqlSource } from '../sql-options';
import type { Cell, CellKind, Table, TableBatch, TableColumn } from '../table';
import { loadOptional } from './optional-library';
import { requireWhole } from './whole-file';

/** The library, and below it DuckDB's interface for C, which gives whole columns without a call for each value. */
type Library = typeof import('@duckdb/node-api') & {
  readonly bindings: typeof import('@duckdb/node-bindings');
};

/** Memory that DuckDB may take before it sorts and joins on disk. Rows stream, so that files of any size need less. */
const memoryLimit = '1GB';

/** Values of a column as DuckDB is asked for them, by the kind of its type. */
interface Reading {
  readonly kind: CellKind;
  /** The expression of SQL that gives them. */
  sql(column: string): string;
  /** Reads one column of a chunk. */
  read(library: Library, chunk: DuckDBDataChunk, index: number, rows: number): Cell[];
}

/** The bytes of a column of a chunk, and which of its values are there. */
function columnOf({ bindings }: Library, { chunk }: DuckDBDataChunk, index: number, bytes: number, rows: number) {
  const vector = bindings.data_chunk_get_vector(chunk, index);
  const data = bindings.vector_get_data(vector, bytes * rows);
  const words = bindings.vector_get_validity(vector, 8 * Math.ceil(rows / 64));
  // Without a mask, no value is missing.
  const isThere = words ? (row: number) => ((words[row >> 3] as number) & (1 << (row & 7))) !== 0 : () => true;
  return { data, isThere };
}

function readDoubles(library: Library, chunk: DuckDBDataChunk, index: number, rows: number): Cell[] {
  const { data, isThere } = columnOf(library, chunk, index, 8, rows);
  const values = new Float64Array(data.buffer, data.byteOffset, rows);
  return Array.from({ length: rows }, (_, row) => (isThere(row) ? (values[row] as number) : ''));
}

function readIntegers(library: Library, chunk: DuckDBDataChunk, index: number, rows: number): Cell[] {
  const { data, isThere } = columnOf(library, chunk, index, 8, rows);
  const values = new BigInt64Array(data.buffer, data.byteOffset, rows);
  return Array.from({ length: rows }, (_, row) => {
    if (!isThere(row)) return '';
    const value = values[row] as bigint;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  });
}

/** Texts of up to this many bytes lie in the column itself, in 16 bytes each: the length and then the text. */
const inlineBytes = 12;

function readTexts(library: Library, chunk: DuckDBDataChunk, index: number, rows: number): Cell[] {
  const { data, isThere } = columnOf(library, chunk, index, 16, rows);
  const bytes = Buffer.from(data.buffer, data.byteOffset, 16 * rows);
  const vector = chunk.getColumnVector(index);
  return Array.from({ length: rows }, (_, row) => {
    if (!isThere(row)) return '';
    const length = bytes.readUInt32LE(16 * row);
    if (length > inlineBytes) return vector.getItem(row) as string;
    return bytes.toString('utf8', 16 * row + 4, 16 * row + 4 + length);
  });
}

const quoted = (column: string) => `"${column.replaceAll('"', '""')}"`;
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;
const text = (column: string) => `CAST(${column} AS VARCHAR)`;

const texts: Reading = { kind: 'text', sql: text, read: readTexts };

/** How values of a type are read; undefined for types that are neither texts, numbers nor times. */
function readingOf(type: string): Reading | undefined {
  if (/^(U?(TINYINT|SMALLINT)|U?INTEGER|BIGINT)$/.test(type))
    return { kind: 'integer', sql: (column) => `CAST(${column} AS BIGINT)`, read: readIntegers };
  if (/^(UBIGINT|U?HUGEINT|DECIMAL\(\d+,0\))$/.test(type)) return { ...texts, kind: 'integer' };
  if (type === 'DOUBLE' || type.startsWith('DECIMAL'))
    return { kind: 'number', sql: (column) => `CAST(${column} AS DOUBLE)`, read: readDoubles };
  // By way of its digits, so that 3.7 stays what a text would say.
  if (type === 'FLOAT')
    return { kind: 'number', sql: (column) => `CAST(${text(column)} AS DOUBLE)`, read: readDoubles };
  if (type === 'BOOLEAN') return { ...texts, kind: 'flag' };
  if (/^(DATE|TIMESTAMP.*)$/.test(type)) {
    const instant = type.includes('ZONE') ? 'TIMESTAMPTZ' : 'TIMESTAMP';
    return { kind: 'time', sql: (column) => `epoch_us(CAST(${column} AS ${instant})) / 1e6`, read: readDoubles };
  }
  if (/^(VARCHAR|UUID|JSON|ENUM\(.*\))$/s.test(type)) return texts;
  return undefined;
}

/** A session of DuckDB, whose files for what does not fit into memory lie in a folder of the system's. */
class Session {
  private constructor(
    readonly library: Library,
    readonly connection: DuckDBConnection,
    private readonly end: () => Promise<void>,
  ) {}

  /** @param path of a file of DuckDB, or undefined @param folder that relative names in queries begin at */
  static async open(reads: string, path?: string, folder?: string): Promise<Session> {
    const library = await loadOptional(
      async () => {
        const api = await import('@duckdb/node-api');
        // A dependency of it that need not lie where this file finds it.
        const resolver = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'));
        return { ...api, bindings: resolver('@duckdb/node-bindings') as Library['bindings'] };
      },
      '@duckdb/node-api',
      reads,
    );
    const temporary = await mkdtemp(join(tmpdir(), 'crossgate-duckdb-'));
    const removal = () => rm(temporary, { recursive: true, force: true });
    try {
      const options = path === undefined ? {} : { access_mode: 'READ_ONLY' };
      const instance = await library.DuckDBInstance.create(path ?? ':memory:', {
        ...{ ...options, memory_limit: memoryLimit, temp_directory: temporary },
        // Nothing is fetched from the network that the query does not name.
        autoinstall_known_extensions: 'false',
      });
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      if (folder !== undefined) await connection.run(`SET file_search_path = ${literal(folder)}`);
      return new Session(library, connection, async () => {
        connection.closeSync();
        instance.closeSync();
        await removal();
      });
    } catch (error) {
      await removal();
      throw error;
    }
  }

  /** Name and type of each column of a relation. */
  async columns(relation: string): Promise<{ name: string; type: string }[]> {
    const rows = (await this.connection.runAndReadAll(`DESCRIBE SELECT * FROM ${relation}`)).getRowsJson();
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
  }

  close(): Promise<void> {
    return this.end();
  }
}

/** A relation of an open session as a table. @param refuse makes an error of what DuckDB says */
async function tableOf(
  session: Session,
  from: {
    readonly name: string;
    readonly relation: string;
    readonly warnings?: readonly string[];
    /** The relation that rows are read from, where types are known by another. */
    readRelation?(columns: readonly { name: string; type: string }[]): string;
    /** Values are text in the file, whatever they look like. */
    readonly asText?: boolean;
  },
  refuse: (error: unknown) => unknown,
): Promise<Table> {
  try {
    const described = await session.columns(from.relation);
    const readings = described.map(({ type }) => {
      const reading = readingOf(type);
      return reading === undefined || !from.asText ? reading : texts;
    });
    const relation = from.readRelation?.(described) ?? from.relation;
    return {
      name: from.name,
      columns: described.map(
        ({ name, type }, index): TableColumn => ({ name, type, kind: readings[index]?.kind ?? 'other' }),
      ),
      ...(from.warnings && { warnings: from.warnings }),
      async *read(indices) {
        const chosen = indices.map((index) => ({ name: described[index]!.name, reading: readings[index]! }));
        const list = chosen.map(({ name, reading }) => reading.sql(quoted(name))).join(', ');
        try {
          const result = await session.connection.stream(`SELECT ${list} FROM ${relation}`);
          for (;;) {
            const chunk = await result.fetchChunk();
            const rows = chunk?.rowCount ?? 0;
            if (!chunk || rows === 0) return;
            const columns = chosen.map(({ reading }, index) => reading.read(session.library, chunk, index, rows));
            yield { rows, columns } satisfies TableBatch;
          }
        } catch (error) {
          throw refuse(error);
        }
      },
      close: () => session.close(),
    };
  } catch (error) {
    await session.close();
    throw refuse(error);
  }
}

/** What DuckDB says, without the query that it repeats. */
function sayingOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .split(/\n\s*\nLINE /)[0]!
    .trim()
    .replace(/\s*\n\s*/g, ' ');
}

/**
 * A Parquet file, JSON lines, or CSV that is compressed in a way that our own reader does not know.
 *
 * @param path of the file; @param name in messages.
 * @param csv the form of a CSV file.
 * @throws InputError naming the file when it is empty or damaged, and when DuckDB is not installed.
 */
export async function fileTable(
  path: string,
  name: string,
  kind: 'parquet' | 'json' | 'csv',
  csv: CsvForm = {},
): Promise<Table> {
  const what = { parquet: 'Parquet', json: 'JSON', csv: 'CSV compressed by zstd' }[kind];
  await requireWhole(path, name);
  const session = await Session.open(what);
  const file = literal(path);
  const lines = /\.json(\.\w+)?$/i.test(path) ? 'auto' : 'newline_delimited';
  const options = `all_varchar = true, header = ${csv.header ?? true}, delim = ${literal(csv.separator ?? ',')}, quote = '"', escape = '"'`;
  const relation = {
    parquet: `read_parquet(${file})`,
    json: `read_json(${file}, format = '${lines}')`,
    csv: `read_csv(${file}, ${options})`,
  }[kind];
  const refuse = (error: unknown) => {
    if (error instanceof InputError) return error;
    const said = sayingOf(error);
    // DuckDB names the line that it would read next.
    const next = kind === 'json' ? /in line (\d+): (.*)$/s.exec(said) : null;
    return new InputError(`is no ${what}, or damaged or cut short (DuckDB: ${next?.[2] ?? said})`, {
      code: 'file.damaged',
      place: next === null ? name : `${name}:row ${Number(next[1]) - 1}`,
      fix: 'fetch or write it again',
      cause: error,
    });
  };
  const from = {
    ...{ name, relation, asText: kind === 'json' },
    ...(kind === 'json' && {
      // Texts that look like dates or numbers are what they are in the file.
      readRelation: (columns: readonly { name: string }[]) => {
        const types = columns.map((column) => `${literal(column.name)}: 'VARCHAR'`).join(', ');
        return `read_json(${file}, format = '${lines}', columns = {${types}})`;
      },
    }),
  };
  const table = await tableOf(session, from, refuse);
  const [only, ...others] = table.columns;
  if (kind === 'json' && only?.name === 'json' && others.length === 0) {
    await table.close();
    throw new InputError('holds no objects with columns', {
      code: 'csv.empty',
      place: name,
      fix: 'write one object for each row, such as {"user": "ann", "item": "tea"}',
    });
  }
  return table;
}

/**
 * A table or query of a DuckDB file, or a query over files.
 *
 * @param path of the DuckDB file; undefined for a query over files.
 * @param folder that file names in queries begin at.
 * @throws InputError naming the key of the query or table that DuckDB refuses, or the file that is none of DuckDB.
 */
export async function databaseTable(sql: SqlSource, path: string | undefined, folder: string): Promise<Table> {
  const database = path ?? 'a query over files';
  let session: Session;
  try {
    session = await Session.open(database, path, folder);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot be opened as a database (DuckDB: ${sayingOf(error)})`, {
      code: 'data.query',
      place: database,
      fix: 'name a file of DuckDB or SQLite that no program is writing, or a server (postgres://…)',
      cause: error,
    });
  }
  const relation = sql.query === undefined ? quoteTable(sql.table as string) : `(${sql.query}\n)`;
  const refuse = (error: unknown) =>
    error instanceof InputError
      ? error
      : new InputError(`is refused by DuckDB: ${sayingOf(error)}`, {
          code: 'data.query',
          place: sql.key,
          fix:
            path === undefined ? `correct it; names of files begin in ${folder}` : `correct it; it is asked of ${path}`,
          cause: error,
        });
  return tableOf(session, { name: sql.table ?? sql.key, relation, warnings: orderWarning(sql, true) }, refuse);
}
