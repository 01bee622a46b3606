/** Joins the shards of a folder to the file that an unsharded command writes. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import { type FileContent, kindOf, writeAtomic } from '@crossgate/files';
import type { Session } from '../session';
import { addCounts, type BulkCounts } from './bulk';
import {
  damageOf,
  type FoundShard,
  formatOfJob,
  missingShards,
  numberWords,
  readShards,
  requireJob,
  shardWords,
} from './shard-files';
import { csvHeader, formatRows, LIST_FORMATS, LISTS, type Row, SCORES, type TableShape } from './table-formats';

/** What was merged. */
export interface MergedShards {
  /** The command that made the shards. */
  readonly command: string;
  /** Method of the run. */
  readonly method: string;
  /** Number of shards. */
  readonly shards: number;
  /** What the command counts, of all shards. */
  readonly counts: Readonly<BulkCounts>;
}

/**
 * Checks that each shard is there once and whole, and writes them one behind another, as a stream, in their format. The
 * file appears by rename, and has the bytes of the unsharded command's.
 *
 * @param folder absolute path of the shards
 * @param out absolute path of the file to write; an ending of another format is refused
 * @throws InputError `shard.missing`, `shard.doubled` or `shard.other` naming the shards, `file.damaged` naming files that
 *   are not those of their manifests
 */
export async function mergeShards(
  { log, progress, signal }: Pick<Session, 'log' | 'progress' | 'signal'>,
  folder: string,
  out: string,
): Promise<MergedShards> {
  if ((await kindOf(out)) === 'folder')
    throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
  const shards = await completeShards(folder);
  const { job, method } = shards[0]!;
  const format = formatOfJob(job);
  const asked = LIST_FORMATS.find((name) => out.toLowerCase().endsWith(`.${name}`));
  if (asked !== undefined && asked !== format) {
    throw new InputError(`the shards are .${format}, and merging does not change that`, {
      code: 'usage',
      place: '--out',
      fix: `name a file that ends with .${format}, or make shards with --format ${asked}`,
    });
  }
  log.info(`checking ${shards.length} shards`);
  for (const shard of shards) {
    throwIfInterrupted(signal);
    const damage = await damageOf(folder, shard);
    if (damage !== null) throw damaged(folder, shard, damage);
  }
  const task = progress.start('merging', shards.length, 'shards');
  const counts: BulkCounts = {};
  const files = (function* () {
    for (const [done, { file, counts: own }] of shards.entries()) {
      throwIfInterrupted(signal);
      yield join(folder, file);
      addCounts(counts, own);
      task.update(done + 1);
    }
    task.finish();
  })();
  const shape = job.command === 'predict' ? SCORES : LISTS;
  const content: FileContent =
    format === 'parquet'
      ? formatRows('parquet', shape, parquetUnits(files, shape))
      : joined(files, format === 'csv' ? Buffer.from(csvHeader(shape)) : Buffer.alloc(0));
  await writeAtomic(out, content);
  return { command: String(job.command), method, shards: shards.length, counts };
}

/**
 * All shards of a folder, in order, without a look at their files.
 * @throws InputError `shard.missing`, `shard.doubled` or `shard.other`
 */
async function completeShards(folder: string): Promise<FoundShard[]> {
  if ((await kindOf(folder)) !== 'folder')
    throw new InputError('is no folder of shards', { code: 'file.not-found', place: folder, fix: 'check the path' });
  const found = await readShards(folder);
  const first = found[0];
  if (!first) {
    throw new InputError('holds no finished shards', {
      code: 'shard.missing',
      place: folder,
      fix: 'make them with --shard I/N, or with crossgate work',
    });
  }
  for (const other of found) requireJob(other, first.job);
  const shards = found.sort((a, b) => a.shard - b.shard);
  const doubled = shards.filter(({ shard }, at) => shards[at - 1]?.shard === shard);
  if (doubled.length > 0) {
    throw new InputError(`shard ${numberWords(doubled.map(({ shard }) => shard))} is there twice`, {
      code: 'shard.doubled',
      place: folder,
      fix: `delete ${doubled.map(({ path }) => path).join(', ')}`,
    });
  }
  const count = Number(first.job.shards);
  const missing = missingShards(shards, count);
  if (missing.length > 0) {
    const words = missing.length === 1 ? 'shard' : 'shards';
    throw new InputError(`${words} ${numberWords(missing)} of ${count} missing`, {
      code: 'shard.missing',
      place: folder,
      fix: `run the command again with --shard ${shardWords({ index: missing[0]!, count })}${missing.length > 1 ? ' and so on' : ''}`,
    });
  }
  const units = Number(first.job.units);
  for (const [at, shard] of shards.entries()) {
    const isLast = at === shards.length - 1;
    if (shard.from === (shards[at - 1]?.to ?? 0) && (!isLast || shard.to === units)) continue;
    throw damaged(folder, shard, 'has other rows than its number says');
  }
  return shards;
}

function damaged(folder: string, { file, shard, job }: FoundShard, damage: string): InputError {
  return new InputError(damage, {
    code: 'file.damaged',
    place: join(folder, file),
    fix: `make shard ${shardWords({ index: shard, count: Number(job.shards) })} again`,
  });
}

/** The bytes of text files behind one another, with the header of the first alone. */
async function* joined(files: Iterable<string>, header: Buffer): AsyncGenerator<Uint8Array> {
  yield header;
  for (const file of files) yield* createReadStream(file, { start: header.length, highWaterMark: 1 << 20 });
}

/** The rows of Parquet files behind one another: of lists, all of a user at a time, and of scores some. */
async function* parquetUnits(
  files: Iterable<string>,
  { columns, keep }: TableShape,
): AsyncGenerator<readonly Row[], void, undefined> {
  // Loaded here, so that other formats need not wait for it.
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const names = columns.map(({ name }) => name);
  const key = keep === null ? -1 : names.indexOf(keep);
  let unit: Row[] = [];
  for (const path of files) {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      const rows = (await parquetReadObjects({ file, metadata, rowStart, rowEnd })).map(
        (row): Row => names.map((name) => row[name] as string | number),
      );
      rowStart = rowEnd;
      if (key < 0) yield rows;
      else {
        for (const row of rows) {
          if (unit.length > 0 && unit[0]![key] !== row[key]) {
            yield unit;
            unit = [];
          }
          unit.push(row);
        }
      }
    }
  }
  if (unit.length > 0) yield unit;
}
