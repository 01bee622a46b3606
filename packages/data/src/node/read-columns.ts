/** Reads CSV files on disk as streams. Node only; `../read-csv` parses the format. */
import { createReadStream } from 'node:fs';
import { requireFile } from '@crossgate/files';
import { readCsv } from '../read-csv';

/**
 * Reads columns of a CSV file by the names in its header. Yields one row at a time: its line, from 1, and the values of
 * `columns` and then of `optional`.
 *
 * @param path of the file, also its name in messages. The file is read as a stream, so it may be a pipe such as
 * /dev/stdin.
 * @param columns names that the header must have, in any order. Other columns are ignored.
 * @param optional names that may be missing; their values are then undefined in every row.
 * @throws InputError when the file is missing, and naming file and line as `readCsv` does.
 */
export async function* readColumns(
  path: string,
  columns: readonly string[],
  optional: readonly string[] = [],
): AsyncGenerator<{ line: number; values: readonly (string | undefined)[] }> {
  await requireFile(path, 'CSV', true);
  const bytes = createReadStream(path, { highWaterMark: 1 << 18 });
  for await (const rows of readCsv(bytes, { name: path, columns, optional })) yield* rows;
}
