/** CSV files on disk, as streams. The format itself is read in ../csv. */
import { createReadStream } from 'node:fs';
import { requireFile } from '@crossgate/files';
import { readCsv } from '../csv';

/**
 * Reads the named columns of a CSV file with a header; their order and further columns do not matter.
 * @param path the file, also the name in messages; it is read as a stream, so a pipe such as /dev/stdin will do
 * @param columns names that must be in the header
 * @param optional names that may be there; absent ones are undefined in every row
 * @throws InputError naming the file and the line: missing, empty, a column missing or twice, a short or long row
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
