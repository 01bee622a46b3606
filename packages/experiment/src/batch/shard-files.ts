/** The files of shards: their names, and the manifests that say what was finished. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import { digestFile } from '../runs/digest-file';
import type { Session } from '../session';
import type { BulkCounts } from './bulk';
import { differenceOf, type PartManifest } from './part-file';
import type { ListFormat } from './table-formats';

/** One of the equal parts that the work is cut into. */
export interface Shard {
  /** From 0. */
  readonly index: number;
  /** Number of shards, at least 1. */
  readonly count: number;
}

/** The most shards. */
export const MOST_SHARDS = 1_000_000;

/** What a finished shard is. It is written last, by rename: with it, the shard is there. */
export interface ShardManifest {
  /** All that the answer depends on, and how it was cut: command, run and options, format, number of shards. */
  readonly job: PartManifest;
  /** From 0. */
  readonly shard: number;
  /** The first pair or user, counted from 0. */
  readonly from: number;
  /** The pair or user after the last. */
  readonly to: number;
  /** Name of the file beside the manifest. */
  readonly file: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Checksum of the file, in hexadecimal digits. */
  readonly sha256: string;
  /** Method of the run. */
  readonly method: string;
  /** What the command counts. */
  readonly counts: Readonly<BulkCounts>;
}

/** A manifest and where it lies. */
export interface FoundShard extends ShardManifest {
  /** Absolute path of the manifest. */
  readonly path: string;
}

/** First key of every manifest. */
const FORMAT = 'crossgate-shard';
/** Names of manifests, also of copies such as `shard-3-of-8 (1).json`. */
const NAME = /^shard-\d+-of-\d+.*\.json$/;

/** Name of the files of a shard, without the ending: as many digits in all, so that they sort. */
export function shardName({ index, count }: Shard): string {
  return `shard-${String(index).padStart(String(count - 1).length, '0')}-of-${count}`;
}

/** `3/8`, as users write it. */
export const shardWords = ({ index, count }: Shard): string => `${index}/${count}`;

/** The content of a manifest. */
export const manifestText = (manifest: ShardManifest): string =>
  `${JSON.stringify({ [FORMAT]: 1, ...manifest }, null, 2)}\n`;

/** The format of a shard's file. */
export const formatOfJob = (job: PartManifest): ListFormat => job.format as ListFormat;

/**
 * Reads a manifest.
 * @param path absolute
 * @returns undefined when there is none
 * @throws InputError `file.damaged` for what is none
 */
export async function readManifest(path: string): Promise<FoundShard | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const found = parse(text);
  if (found) return { ...found, path };
  throw new InputError('is no manifest of a shard', {
    code: 'file.damaged',
    place: path,
    fix: 'delete it and make the shard again, or name another folder',
  });
}

function parse(text: string): ShardManifest | undefined {
  let value: (Partial<ShardManifest> & { readonly [FORMAT]?: unknown }) | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value?.[FORMAT] !== 1) return undefined;
  const { job, shard, from, to, file, bytes, sha256, method, counts } = value;
  const isNumbered = [shard, from, to, bytes].every((number) => Number.isInteger(number) && (number as number) >= 0);
  const isNamed = [file, sha256, method].every((word) => typeof word === 'string');
  // A manifest may have come over a network: it names a file beside it, never another.
  if (!isNumbered || !isNamed || typeof job !== 'object' || typeof counts !== 'object' || /[\\/]/.test(file!))
    return undefined;
  const { shards, units } = job as PartManifest;
  if (!Number.isInteger(shards) || !Number.isInteger(units) || shard! >= (shards as number)) return undefined;
  return { job, shard, from, to, file, bytes, sha256, method, counts } as ShardManifest;
}

/** Names of the manifests in a folder, in order; none where the folder is absent. */
export async function manifestNames(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => NAME.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** All manifests of a folder. @throws InputError for one that is damaged */
export async function readShards(folder: string): Promise<FoundShard[]> {
  const found: FoundShard[] = [];
  for (const name of await manifestNames(folder)) {
    const manifest = await readManifest(join(folder, name));
    if (manifest) found.push(manifest);
  }
  return found;
}

/** @throws InputError `shard.other` for a shard of another job, naming the first difference */
export function requireJob({ job, path }: FoundShard, now: PartManifest): void {
  const words = differenceOf(job, now);
  if (words === null) return;
  throw new InputError(`was made with ${words}`, {
    code: 'shard.other',
    place: path,
    fix: 'repeat the command that made it, or name another folder',
  });
}

/** Numbers in words: `3, 7 to 9`, the first few of many. */
export function numberWords(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run && run[1] + 1 === number) run[1] = number;
    else runs.push([number, number]);
  }
  const words = runs.map(([first, last]) =>
    first === last ? `${first}` : first + 1 === last ? `${first}, ${last}` : `${first} to ${last}`,
  );
  return words.length > 12 ? `${words.slice(0, 12).join(', ')} and more (${numbers.length} in all)` : words.join(', ');
}

/** The shards of a job that have no manifest. */
export function missingShards(found: readonly ShardManifest[], count: number): number[] {
  const there = new Set(found.map(({ shard }) => shard));
  return Array.from({ length: count }, (_, index) => index).filter((index) => !there.has(index));
}

/**
 * Looks whether the file of a shard is the one of its manifest.
 * @param folder absolute
 * @returns what is wrong, or null
 */
export async function damageOf(folder: string, { file, bytes, sha256 }: ShardManifest): Promise<string | null> {
  const path = join(folder, file);
  let size: number;
  try {
    ({ size } = await stat(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'is not there';
    throw error;
  }
  if (size !== bytes) return `has ${size} bytes, not ${bytes}`;
  return (await digestFile(path)) === sha256 ? null : 'has another checksum than its manifest says';
}

/**
 * The shards of a job that are to be made: those without a manifest, and those whose file is gone or changed, each of
 * which is named in a warning.
 * @param folder absolute
 * @param found its manifests
 * @param known shards whose files were looked at just now
 */
export async function unfinishedShards(
  { log, signal }: Pick<Session, 'log' | 'signal'>,
  folder: string,
  found: readonly ShardManifest[],
  count: number,
  known: ReadonlySet<number> = new Set(),
): Promise<number[]> {
  const whole: ShardManifest[] = [];
  for (const manifest of found) {
    throwIfInterrupted(signal);
    const damage = known.has(manifest.shard) ? null : await damageOf(folder, manifest);
    if (damage === null) whole.push(manifest);
    else {
      const words = shardWords({ index: manifest.shard, count });
      log.warn(`${join(folder, manifest.file)} ${damage}: shard ${words} is not finished`);
    }
  }
  return missingShards(whole, count);
}
