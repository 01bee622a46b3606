/** Source folders on disk. Node only. */
import { createReadStream, type ReadStream } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import type { CsvForm, SourceFolder, SourcePart } from '../source';
import { isServer } from '../sql-options';
import { filesLike, isPattern, noFileLike } from './file-pattern';

/** The code of a file system error, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** Where a source file lies: as it is named, or compressed beside that name. */
export async function placeOf(directory: string, file: string): Promise<string | undefined> {
  for (const path of [join(directory, file), join(directory, `${file}.gz`)]) {
    if ((await kindOf(path)) === 'file') return path;
  }
  return undefined;
}

/** The content of a gzip file as a stream: no more than a few chunks are in memory. */
async function* unzipped(bytes: ReadStream, path: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  bytes.on('error', (error) => gunzip.destroy(error));
  try {
    yield* bytes.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (errorCode(error)?.startsWith('Z_')) {
      throw new InputError(`damaged or cut short gzip (${(error as Error).message})`, {
        code: 'file.damaged',
        place: path,
        fix: 'fetch it again',
      });
    }
    throw error;
  } finally {
    bytes.destroy();
    gunzip.destroy();
  }
}

/** What DuckDB reads a file as, by its ending; undefined for text that our own reader takes. */
export function duckdbKind(path: string): 'parquet' | 'json' | 'csv' | undefined {
  const [, kind, packed] = /\.(parquet|pq|jsonl|ndjson|json)?(?:\.?(gz|zst))?$/i.exec(path) ?? [];
  if (kind === undefined) return packed?.toLowerCase() === 'zst' ? 'csv' : undefined;
  return kind.toLowerCase().startsWith('p') ? 'parquet' : 'json';
}

/** The bytes of a file of text, unpacked where its name says that it is compressed. It may be a pipe. */
export function textOf(path: string): AsyncIterable<Uint8Array> {
  const bytes = createReadStream(path, { highWaterMark: 1 << 20 });
  return path.endsWith('.gz') ? unzipped(bytes, path) : bytes;
}

/** A file as a part of a source. @param name in messages */
export function partOf(name: string, path: string): SourcePart {
  const kind = duckdbKind(path);
  if (kind === undefined) return { name };
  const table = async (form: CsvForm) => (await import('./duckdb-table')).fileTable(path, name, kind, form);
  return { name, table, isTyped: kind !== 'csv' };
}

/**
 * A source folder on disk. Files are read as streams; `NAME.gz` is read where `NAME` is missing. Parquet, JSON lines,
 * CSV compressed with zstd and DuckDB files are read by `@duckdb/node-api`, SQLite by `libsql`, PostgreSQL by `pg`, each
 * of which is loaded when it is first needed.
 */
export function folderSource(directory: string): SourceFolder {
  return {
    name: directory,
    async has(file) {
      return (
        (await placeOf(directory, file)) !== undefined ||
        (isPattern(file) && (await filesLike(directory, file)).length > 0)
      );
    },
    async open(file) {
      const path = await placeOf(directory, file);
      if (path === undefined)
        throw new InputError('no such file', { code: 'data.not-found', place: join(directory, file) });
      return textOf(path);
    },
    async parts(file) {
      const path = await placeOf(directory, file);
      if (path !== undefined) return [partOf(file, path)];
      if (!isPattern(file))
        throw new InputError('no such file', { code: 'data.not-found', place: join(directory, file) });
      const names = await filesLike(directory, file);
      if (names.length === 0) throw noFileLike(join(directory, file));
      return names.map((name) => partOf(name, join(directory, name)));
    },
    async query(sql) {
      const { database } = sql;
      if (database !== undefined && isServer(database)) {
        return (await import('./postgres-table')).postgresTable(sql, database, process.env);
      }
      const path = database === undefined || isAbsolute(database) ? database : join(directory, database);
      if (path !== undefined && (await kindOf(path)) !== 'file') {
        throw new InputError('no such file', {
          code: 'data.not-found',
          place: path,
          fix: 'data.sql.database names a file in the folder of data.path, or a server (postgres://…)',
        });
      }
      if (path !== undefined && (await (await import('./sqlite-table')).isSqlite(path)))
        return (await import('./sqlite-table')).sqliteTable(sql, path, database as string);
      return (await import('./duckdb-table')).databaseTable(sql, path, directory);
    },
  };
}
