/** The CF vectors of a run in a file, for an index outside Crossgate. */
import { InputError } from '@crossgate/core';
import { kindOf, writeAtomic } from '@crossgate/files';
import type { Session } from '../session';
import { openVectors, type RunVectors, type VectorKind, type VectorOptions } from './run-vectors';
import { formatOf } from './table-formats';
import {
  npyVectors,
  PGVECTOR_DIMENSIONS,
  parquetVectors,
  sqlVectors,
  VECTOR_FORMATS,
  type VectorOwner,
  type VectorTable,
  vectorOwners,
} from './vector-formats';

/** Which vectors are written. */
export const VECTOR_KINDS = ['items', 'users', 'both'] as const;

/** What {@link writeVectors} is asked for. */
export interface WriteVectorsOptions extends VectorOptions {
  /** Absolute path of the file; its ending (`.parquet`, `.npy`, `.sql`) chooses the format. */
  readonly out: string;
  /** Whose vectors. Default items. */
  readonly kind?: (typeof VECTOR_KINDS)[number];
  /** Whether texts of CSV are made safe for a spreadsheet, see `safeCsvField`. Default: false. */
  readonly safeCsv?: boolean;
  /** Name of the table in SQL. Default `vectors`. */
  readonly table?: string;
}

/** What was written. */
export interface WrittenVectors {
  /** Method of the run. */
  readonly method: string;
  /** The CF model that made the vectors. */
  readonly model: string;
  /** Width of the vectors. */
  readonly dim: number;
  /** Vectors of items. */
  readonly items: number;
  /** Vectors of users. */
  readonly users: number;
  /** Items and users without a vector: items without train rows, users of whom the model knows nothing. */
  readonly leftOut: number;
  /** Whether rows have a bias, to be added to the dot product. */
  readonly bias: boolean;
  /** See `RunVectors`. */
  readonly usersFrom: RunVectors['usersFrom'];
  /** See `RunVectors`. */
  readonly ranks: boolean;
  /** Columns at the beginning that say how much an item is liked. */
  readonly levelColumns: number;
  /** Absolute paths of the files. */
  readonly files: readonly string[];
}

/**
 * Writes vectors whose dot products, and biases where there are any, rank items as `recommend` does for a CF run. Items
 * come before users. Beside `FILE.npy`, `FILE.npy.ids.csv` says whose the rows are.
 *
 * @param run path of the run folder, as the user gave it
 * @throws InputError for a file that cannot be written, and as {@link openVectors}
 */
export async function writeVectors(
  session: Session,
  run: string,
  options: WriteVectorsOptions,
): Promise<WrittenVectors> {
  const { out, kind = 'items', table = 'vectors' } = options;
  const format = formatOf(out, VECTOR_FORMATS);
  if ((await kindOf(out)) === 'folder')
    throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
  const vectors = await openVectors(session, run, options);
  try {
    const { dataset, dim, bias } = vectors;
    const kinds: VectorKind[] = kind === 'both' ? ['item', 'user'] : [kind === 'items' ? 'item' : 'user'];
    const ids = new Map(kinds.map((each) => [each, vectors.ids(each)]));
    const count = (each: VectorKind) => ids.get(each)?.length ?? 0;
    const written = { items: count('item'), users: count('user') };
    const all = (ids.has('item') ? dataset.itemCount : 0) + (ids.has('user') ? dataset.userCount : 0);
    const rows = written.items + written.users;
    const hasBias = bias !== null && ids.has('item');
    const { log, progress } = session;
    const content: VectorTable = {
      ...{ rows, dim, hasBias },
      batches: async function* () {
        const task = progress.start('writing vectors', rows, 'vectors');
        let done = 0;
        for (const [each, own] of ids) {
          for await (const batch of vectors.read(each, own)) {
            const owners = Array.from(batch.ids, (id) => ownerOf(vectors, each, id));
            yield { owners, vectors: batch.vectors };
            done += owners.length;
            task.update(done);
          }
        }
        task.finish();
      },
    };
    const files = [out];
    if (format === 'parquet') await writeAtomic(out, parquetVectors(content));
    else if (format === 'sql') {
      if (dim > PGVECTOR_DIMENSIONS)
        log.warn(`pgvector stores at most ${PGVECTOR_DIMENSIONS} columns, these have ${dim}`);
      await writeAtomic(out, sqlVectors(content, table));
    } else {
      files.push(`${out}.ids.csv`);
      await writeAtomic(files[1]!, vectorOwners(content, options.safeCsv ?? false));
      await writeAtomic(out, npyVectors(content));
    }
    const { method, model, usersFrom, ranks, levelColumns } = vectors;
    const facts = { bias: hasBias, usersFrom, ranks, levelColumns, files };
    return { method, model, dim, ...written, leftOut: all - rows, ...facts };
  } finally {
    vectors.close();
  }
}

function ownerOf({ dataset, bias }: RunVectors, kind: VectorKind, id: number): VectorOwner {
  if (kind === 'user') return { kind, id: dataset.users[id]!, title: null, bias: null };
  const { id: item, title } = dataset.items[id]!;
  return { kind, id: item, title, bias: bias && bias[id]! };
}
