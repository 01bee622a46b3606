/** Parquet as a stream: a table in row groups, so that only one of them is in memory. */
import type { ParquetWriter } from 'hyparquet-writer';

type SchemaElement = ParquetWriter['schema'][number];

/** A column of a table. `vectors`: a list of float32 in every row. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: 'text' | 'int32' | 'float32' | 'float64' | 'vectors';
  /** Whether rows may have null. Default false. */
  readonly nullable?: boolean;
}

/** Values of some rows: an array for each column, in their order. */
export type ParquetRows = readonly (readonly unknown[] | Float32Array | Float64Array | Int32Array)[];

const TYPES = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  int32: { type: 'INT32' },
  float32: { type: 'FLOAT' },
  float64: { type: 'DOUBLE' },
} as const;

function schemaOf(columns: readonly ParquetColumn[]): SchemaElement[] {
  const elements = columns.flatMap(({ name, type, nullable = false }): SchemaElement[] => {
    const repetition_type = nullable ? 'OPTIONAL' : 'REQUIRED';
    if (type !== 'vectors') return [{ name, ...TYPES[type], repetition_type }];
    return [
      { name, converted_type: 'LIST', repetition_type, num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ];
  });
  return [{ name: 'root', num_children: columns.length }, ...elements];
}

/**
 * The bytes of a Parquet file.
 * @param groups the rows of one row group each, at least one row
 */
export async function* parquetBytes(
  columns: readonly ParquetColumn[],
  groups: AsyncIterable<ParquetRows>,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Loaded here, so that other formats need not wait for it.
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer');
  const writer = new ByteWriter();
  /** What was written since. The writer counts offsets by itself. */
  const take = () => {
    const bytes = writer.getBytes().slice();
    writer.index = 0;
    return bytes;
  };
  const file = new ParquetWriter({ writer, schema: schemaOf(columns), createdBy: 'crossgate' });
  for await (const rows of groups) {
    const columnData = columns.map(({ name, type }, index) => ({
      name,
      // The writer takes plain arrays alone as lists.
      data: type === 'vectors' ? (rows[index] as Float32Array[]).map((row) => [...row]) : (rows[index] as unknown[]),
      offsetIndex: false,
      // Every vector is another: a dictionary would only take time.
      ...(type === 'vectors' && { encoding: 'PLAIN' as const, statistics: false }),
    }));
    await file.write({ columnData, rowGroupSize: Math.max(1, rows[0]!.length) });
    yield take();
  }
  await file.finish();
  yield take();
}
