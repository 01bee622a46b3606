/** Writes one shard of a bulk answer. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import { type FileContent, kindOf, writeAtomic } from '@crossgate/files';
import type { Session } from '../session';
import type { Bulk, BulkCounts } from './bulk';
import type { PartManifest } from './part-file';
import {
  damageOf,
  manifestNames,
  manifestText,
  readManifest,
  requireJob,
  type Shard,
  type ShardManifest,
  shardName,
  shardWords,
} from './shard-files';
import type { ListFormat } from './table-formats';

/** Where shards go, and how the work is cut. */
export interface ShardOptions {
  /** Absolute path of the folder; it is made where it is missing. */
  readonly folder: string;
  /** Format of the shards. */
  readonly format: ListFormat;
}

/** A shard that is there. */
export interface WrittenShard {
  /** What it is. */
  readonly manifest: ShardManifest;
  /** Whether it was finished before: nothing was changed. */
  readonly already: boolean;
}

/** All that a shard depends on: what its manifest must say. */
export function jobOf({ command, manifest, units }: Bulk, format: ListFormat, shards: number): PartManifest {
  return { command, ...manifest, units, format, shards };
}

/**
 * The units of a shard: as many as of every other, to one. Where units share work and there is a step of them for every
 * shard, shards are whole steps; of fewer units, an even share counts for more than the last bits.
 */
export function stretchOf({ units, step }: Pick<Bulk, 'units' | 'step'>, { index, count }: Shard) {
  const size = Math.ceil(units / step) >= count ? step : 1;
  const start = (at: number) => Math.min(units, Math.floor((at * Math.ceil(units / size)) / count) * size);
  return { from: start(index), to: start(index + 1) };
}

/**
 * Writes a shard and then its manifest, each by rename. A shard that is there is left as it is; one whose file is gone or
 * changed is made again.
 * @throws InputError `shard.other` where the folder holds shards of another run, command, options or number; and as
 *   opening and the content do
 */
export async function writeShard(
  session: Session,
  bulk: Bulk,
  shard: Shard,
  { folder, format }: ShardOptions,
): Promise<WrittenShard> {
  const job = jobOf(bulk, format, shard.count);
  const name = shardName(shard);
  const path = join(folder, `${name}.json`);
  await requireOneJob(folder, `${name}.json`, job);
  const there = await finished(path, folder, job);
  if (there.manifest) return { manifest: there.manifest, already: true };
  if (there.damage !== undefined)
    session.log.warn(`${join(folder, there.file)} ${there.damage}: shard ${shardWords(shard)} is made again`);
  await bulk.open();
  const stretch = stretchOf(bulk, shard);
  const file = `${name}.${format}`;
  const counts: BulkCounts = {};
  const made = { bytes: 0, sha256: '' };
  let other: ShardManifest | undefined;
  const content = async function* () {
    const hash = createHash('sha256');
    for await (const bytes of bytesOf(bulk.content(format, stretch.from, stretch.to, counts))) {
      throwIfInterrupted(session.signal);
      hash.update(bytes);
      made.bytes += bytes.length;
      yield bytes;
    }
    made.sha256 = hash.digest('hex');
    // Another process may have made the same shard meanwhile: a manifest must never stand beside a file of another make.
    other = (await finished(path, folder, job)).manifest;
    if (other) throw new FinishedElsewhere();
  };
  try {
    await writeAtomic(join(folder, file), content());
  } catch (error) {
    if (other && error instanceof FinishedElsewhere) return { manifest: other, already: true };
    throw error;
  }
  const manifest: ShardManifest = { job, shard: shard.index, ...stretch, file, ...made, method: bulk.method, counts };
  await writeAtomic(path, manifestText(manifest));
  return { manifest, already: false };
}

/** Ends the writing of a file that is no longer needed. */
class FinishedElsewhere extends Error {}

/** A shard as it lies in the folder. */
type Finished =
  | { readonly manifest?: undefined; readonly damage?: undefined }
  | { readonly manifest: ShardManifest; readonly damage?: undefined }
  | { readonly manifest?: undefined; readonly damage: string; readonly file: string };

async function finished(path: string, folder: string, job: PartManifest): Promise<Finished> {
  const found = await readManifest(path);
  if (!found) return {};
  requireJob(found, job);
  const { path: _, ...manifest } = found;
  const damage = await damageOf(folder, manifest);
  return damage === null ? { manifest } : { damage, file: manifest.file };
}

/**
 * Compares with one other shard of the folder: that one was compared with those before it, and a merge looks at all.
 * @param own name of the manifest that is looked at anyway
 */
export async function requireOneJob(folder: string, own: string, job: PartManifest): Promise<void> {
  if (!['folder', 'absent'].includes(await kindOf(folder))) {
    throw new InputError('is a file where a folder is needed', {
      code: 'file.kind',
      place: folder,
      fix: 'name a folder for the shards',
    });
  }
  const other = (await manifestNames(folder)).find((name) => name !== own);
  const found = other === undefined ? undefined : await readManifest(join(folder, other));
  if (found) requireJob(found, job);
}

async function* bytesOf(content: FileContent): AsyncGenerator<Uint8Array> {
  const isWhole = typeof content === 'string' || content instanceof Uint8Array;
  for await (const piece of isWhole ? [content] : content) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}
