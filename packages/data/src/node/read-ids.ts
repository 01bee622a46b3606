/** Reads columns of ids of a file of rows, whatever its form. Node only. */
import { requireFile } from '@crossgate/files';
import type { SourceFolder } from '../source';
import { Places, sourceRows } from '../source-rows';
import { duckdbKind, partOf, textOf } from './folder-source';

/** Some rows of a file. */
export interface IdRows {
  /** The values of the columns that were asked for, row by row. */
  readonly ids: readonly (readonly string[])[];
  /** Where a row of these stands, for messages: `pairs.csv:17`, or `pairs.parquet:row 17`. @param index from 0 */
  at(index: number): string;
}

/** Files by their paths, which are also their names in messages. */
const files: SourceFolder = {
  name: 'files',
  has: async () => true,
  open: async (path) => textOf(path),
  parts: async (path) => [partOf(path, path)],
};

/**
 * Checks that a file of rows is there.
 *
 * @param streams whether text may come from a pipe, such as /dev/stdin. Default: false.
 * @throws InputError naming the file
 */
export async function requireIds(path: string, streams = false): Promise<void> {
  const kind = duckdbKind(path);
  await requireFile(
    path,
    { parquet: 'Parquet', json: 'JSON', csv: 'CSV' }[kind ?? 'csv'],
    streams && kind === undefined,
  );
}

/**
 * Reads columns of ids by their names, as a stream of some thousands of rows. The ending of the path says the form: Parquet
 * (`.parquet`, `.pq`), JSON (`.jsonl`, `.ndjson`, `.json`), else CSV; text may be compressed (`.gz`, `.zst`).
 *
 * @param path of the file, also its name in messages.
 * @param columns names that the file must have, in any order. Other columns are ignored.
 * @throws InputError when the file is missing, and naming file and line or row for what is malformed, and for a column that
 * is missing or holds neither texts nor whole numbers.
 */
export async function* readIds(path: string, columns: readonly string[]): AsyncGenerator<IdRows> {
  await requireIds(path, true);
  const places = new Places();
  for await (const rows of sourceRows(files, path, { columns, ids: columns }, places)) {
    if (rows.length === 0) continue;
    yield {
      // Whole numbers of a table are the texts of their digits.
      ids: rows.map(({ values }) => values.map(String)),
      at: (index) => places.at(rows[index]!.line),
    };
  }
}
