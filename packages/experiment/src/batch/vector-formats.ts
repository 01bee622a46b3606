/** Vectors as Parquet, npy or SQL for pgvector. Float32 values come back bit for bit. */
import { csvField, safeCsvField } from '@crossgate/data';
import type { FileContent } from '@crossgate/files';
import { type ParquetColumn, parquetBytes } from './parquet';
import type { VectorKind } from './run-vectors';

/** Formats of vectors, by the ending of the file. */
export const VECTOR_FORMATS = ['parquet', 'npy', 'sql'] as const;
/** A format of vectors. */
export type VectorFormat = (typeof VECTOR_FORMATS)[number];

/** Who a vector is of. */
export interface VectorOwner {
  readonly kind: VectorKind;
  /** Id of the source. */
  readonly id: string;
  /** Of an item; null for a user. */
  readonly title: string | null;
  /** What an item's logit has beside the dot product; null where the table has no biases, and for a user. */
  readonly bias: number | null;
}

/** Some rows of a table of vectors. */
export interface VectorRows {
  readonly owners: readonly VectorOwner[];
  /** [n, dim], row by row. */
  readonly vectors: Float32Array;
}

/** A table of vectors, a batch at a time. */
export interface VectorTable {
  /** Number of rows. */
  readonly rows: number;
  /** Width of the vectors. */
  readonly dim: number;
  /** Whether rows have biases. */
  readonly hasBias: boolean;
  /** Reads the table from its beginning. */
  batches(): AsyncIterable<VectorRows>;
}

/** Most columns that pgvector stores in a `vector`. */
export const PGVECTOR_DIMENSIONS = 16_000;

/** The content of a Parquet file with the columns id, title, kind, bias where there are any, and vector. */
export function parquetVectors({ dim, hasBias, batches }: VectorTable): FileContent {
  const columns: ParquetColumn[] = [
    { name: 'id', type: 'text' },
    { name: 'title', type: 'text', nullable: true },
    { name: 'kind', type: 'text' },
    ...(hasBias ? ([{ name: 'bias', type: 'float32', nullable: true }] as const) : []),
    { name: 'vector', type: 'vectors' },
  ];
  return parquetBytes(
    columns,
    (async function* () {
      for await (const { owners, vectors } of batches()) {
        yield [
          owners.map(({ id }) => id),
          owners.map(({ title }) => title),
          owners.map(({ kind }) => kind),
          ...(hasBias ? [owners.map(({ bias }) => bias)] : []),
          owners.map((_, row) => vectors.subarray(row * dim, (row + 1) * dim)),
        ];
      }
    })(),
  );
}

/** The content of a .npy file: float32 [rows, dim], in C order. */
export async function* npyVectors({ rows, dim, batches }: VectorTable): AsyncGenerator<Uint8Array> {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dim}), }`;
  // Magic, version 1.0 and length are 10 bytes; the whole header has a multiple of 64 and ends with a line feed.
  const length = 64 * Math.ceil((10 + text.length + 1) / 64) - 10;
  const header = Buffer.alloc(10 + length, ' ');
  header.set([0x93, ...Buffer.from('NUMPY'), 1, 0, length & 0xff, length >> 8]);
  header.write(text, 10);
  header[9 + length] = 10;
  yield header;
  for await (const { vectors } of batches()) {
    const bytes = Buffer.alloc(4 * vectors.length);
    vectors.forEach((value, index) => void bytes.writeFloatLE(value, 4 * index));
    yield bytes;
  }
}

/** Whose the rows of a .npy file are: kind, id, title, and bias where there are any, in the order of the rows. */
export async function* vectorOwners({ hasBias, batches }: VectorTable, isSafe: boolean): AsyncGenerator<string> {
  const field = isSafe ? safeCsvField : csvField;
  yield `kind,id,title${hasBias ? ',bias' : ''}\n`;
  for await (const { owners } of batches()) {
    const lines = owners.map(({ kind, id, title, bias }) =>
      [kind, field(id), field(title ?? ''), ...(hasBias ? [bias ?? ''] : [])].join(','),
    );
    yield `${lines.join('\n')}\n`;
  }
}

/**
 * One SQL file for psql: makes extension and table, and fills the table in the same transaction. `COPY` needs no quotes
 * around values: what is special in its text format is escaped.
 * @param table name of the table, as an SQL name
 */
export async function* sqlVectors({ dim, hasBias, batches }: VectorTable, table: string): AsyncGenerator<string> {
  const name = `"${table.replaceAll('"', '""')}"`;
  yield `\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL standard_conforming_strings = on;
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE ${name} (
  kind text NOT NULL,
  id text NOT NULL,
  title text,
${hasBias ? '  bias real,\n' : ''}  vector vector(${dim}) NOT NULL,
  PRIMARY KEY (kind, id)
);
COPY ${name} (kind, id, title, ${hasBias ? 'bias, ' : ''}vector) FROM stdin;
`;
  for await (const { owners, vectors } of batches()) {
    const lines = owners.map(({ kind, id, title, bias }, row) => {
      const vector = `[${Array.from(vectors.subarray(row * dim, (row + 1) * dim), decimal).join(',')}]`;
      const number = bias === null ? '\\N' : decimal(bias);
      const fields = [
        kind,
        copyField(id),
        title === null ? '\\N' : copyField(title),
        ...(hasBias ? [number] : []),
        vector,
      ];
      return fields.join('\t');
    });
    yield `${lines.join('\n')}\n`;
  }
  yield '\\.\nCOMMIT;\n';
}

/** A text in the text format of COPY. PostgreSQL stores no NUL. */
function copyField(text: string): string {
  const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '' };
  return text.replace(/[\\\t\n\r\0]/g, (sign) => escapes[sign]!);
}

/** A float32 in nine digits: as many as it takes to read the same value back. */
const decimal = (value: number): string => String(Number(value.toPrecision(9)));
