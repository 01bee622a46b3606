/** Scores of any pairs of users and items by a finished run, from file to file or as shards. */
import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import { readIds, requireIds } from '@crossgate/data/node';
import { kindOf, writeAtomic } from '@crossgate/files';
import type { NewerFiles } from '../live/newer-files';
import { openRunFiles } from '../open-run';
import type { Session } from '../session';
import type { Bulk, BulkCounts } from './bulk';
import { newerManifest, safeCsvManifest } from './digest';
import { formatScores, type ScoredPair } from './list-formats';
import { openPairScorer, type PairScorer } from './pair-scorer';
import { runDigest } from './run-digest';
import { LIST_FORMATS, type ListFormat } from './table-formats';

/** Pairs that are held at a time. Many of one user behind one another share the work on what is known of the user. */
const CHUNK = 4096;

/** Which pairs are scored. */
export interface PairsOptions {
  /**
   * Absolute paths of files with the columns user and item, with the ids of the source: CSV, Parquet or JSON lines, by
   * their endings. They are read one after the other, as if they were one.
   */
  readonly pairs: string | readonly string[];
  /** `--set` arguments, such as `data.path=DIR`. Default: none. */
  readonly set?: readonly string[];
  /** What came after the training: with it, all pairs are scored by all that is known now. */
  readonly files?: NewerFiles;
  /** Whether ids in CSV are made safe for a spreadsheet, see `safeCsvField`. Default: false. */
  readonly safeCsv?: boolean;
}

/** What {@link predictPairs} is asked for. */
export interface PredictPairsOptions extends PairsOptions {
  /** Absolute path of the file to write; `.parquet` and `.jsonl` choose these formats, any other ending CSV. */
  readonly out: string;
}

/** What was scored. */
export interface PredictCounts {
  /** Pairs. */
  readonly rows: number;
  /** Pairs whose user and item both have train rows. */
  readonly warm: number;
  /** All others. */
  readonly cold: number;
  /** Pairs that are rows of the data set; absent with newer files. */
  readonly known?: number;
  /** With newer files: how many scores go by what. */
  readonly basis?: Readonly<Record<string, number>>;
}

/**
 * Scores pairs as a stream, in the order of the files and of their rows. The file appears by rename when it is whole.
 *
 * @param run path of the run folder, as the user gave it
 * @returns counts and the method of the run
 * @throws InputError naming file and line of an unknown user or item, for files without rows, for one that is named twice
 *   or cannot be written, `run.not-held` for newer data and a method that cannot take it, and as `openRun` and `openLiveRun`
 */
export async function predictPairs(
  session: Session,
  run: string,
  { out, ...options }: PredictPairsOptions,
): Promise<PredictCounts & { readonly method: string }> {
  const paths = await requirePairs(options.pairs, true);
  if ((await kindOf(out)) === 'folder')
    throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
  const ending = extname(out).slice(1).toLowerCase();
  const format: ListFormat = LIST_FORMATS.find((name) => name === ending) ?? 'csv';
  const { scorer } = await openPairScorer(session, await openRunFiles(session, run, options.set ?? []), options);
  try {
    const counts: BulkCounts = {};
    await scorer.open();
    const scores = scorePairs(session, scorer, wholeFiles(paths), { from: 0, to: Number.POSITIVE_INFINITY, counts });
    await writeAtomic(out, formatScores(format, scores, options.safeCsv));
    return { method: scorer.method, ...(counts as unknown as PredictCounts) };
  } finally {
    await scorer.close();
  }
}

/**
 * Opens the scores of pairs as a whole of which any stretch of pairs can be made by itself. The files are read once, to
 * count their pairs, and for every stretch those that hold it, from their beginnings. Which file holds a pair is no part of
 * the job: the same pairs in other files give the same shards.
 * @param run path of the run folder, as the user gave it
 * @throws as {@link predictPairs}
 */
export async function openPairs(session: Session, run: string, options: PairsOptions): Promise<Bulk> {
  const { set = [] } = options;
  const paths = await requirePairs(options.pairs, false);
  const files = await openRunFiles(session, run, set);
  const { scorer, newer } = await openPairScorer(session, files, options);
  const { files: pairFiles, units, digest } = await measure(paths, session.signal);
  const manifest = {
    run: await runDigest(files.path),
    pairs: digest,
    ...newerManifest(newer, set),
    ...safeCsvManifest(options),
  };
  return {
    ...{ command: 'predict', method: scorer.method, manifest, units, step: scorer.sharesWork ? CHUNK : 1 },
    open: () => scorer.open(),
    content: (format, from, to, counts) =>
      formatScores(format, scorePairs(session, scorer, pairFiles, { from, to, counts }), options.safeCsv),
    close: () => scorer.close(),
  };
}

/** @returns the paths of the files of pairs @throws InputError for one that is not there, or is named twice */
async function requirePairs(pairs: string | readonly string[], streams: boolean): Promise<readonly string[]> {
  const paths = typeof pairs === 'string' ? [pairs] : pairs;
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined)
    throw new InputError('is named twice', { code: 'usage', place: twice, fix: 'name each file of pairs once' });
  for (const path of paths) await requireIds(path, streams);
  return paths;
}

/** A file of pairs. */
interface PairFile {
  readonly path: string;
  /** How many it holds; infinite before it was read. */
  readonly units: number;
}

const wholeFiles = (paths: readonly string[]): PairFile[] =>
  paths.map((path) => ({ path, units: Number.POSITIVE_INFINITY }));

/** Counts the pairs of every file, and makes a SHA-256 of them, whatever else the files hold. */
async function measure(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<{ files: readonly PairFile[]; units: number; digest: string }> {
  const hash = createHash('sha256');
  const files: PairFile[] = [];
  for (const path of paths) {
    let units = 0;
    for await (const { ids } of readIds(path, ['user', 'item'])) {
      throwIfInterrupted(signal);
      units += ids.length;
      hash.update(ids.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
    }
    files.push({ path, units });
  }
  const units = files.reduce((sum, file) => sum + file.units, 0);
  if (units === 0) throw withoutRows(files);
  return { files, units, digest: hash.digest('hex') };
}

const withoutRows = (files: readonly PairFile[]) =>
  new InputError(files.length > 1 ? 'hold no rows below their headers' : 'holds no rows below its header', {
    code: 'csv.empty',
    place: files.map(({ path }) => path).join(', '),
  });

/** Pairs, counted from 0, that are scored. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  /** Filled as pairs are scored. */
  readonly counts: BulkCounts;
}

async function* scorePairs(
  { signal, log }: Session,
  scorer: PairScorer,
  files: readonly PairFile[],
  { from, to, counts }: Stretch,
): AsyncGenerator<readonly ScoredPair[], void, undefined> {
  const own = Object.assign(counts, { rows: 0 }, scorer.begin());
  for await (const { user, item } of chunksOf(scorer, files, from, to)) {
    throwIfInterrupted(signal);
    const values = await scorer.score(user, item, own);
    const scored = user.map((u, index): ScoredPair => [scorer.userId(u), scorer.itemId(item[index]!), values[index]!]);
    const bad = scored.find(([, , score]) => !Number.isFinite(score));
    if (bad) throw new Error(`the score of user ${bad[0]} and item ${bad[1]} is ${bad[2]}`);
    yield scored;
    own.rows += user.length;
    log.info(`${own.rows} pairs scored`);
  }
  if (own.rows === 0 && to > from) throw withoutRows(files);
  const remark = scorer.remark(own);
  if (remark !== null) log.warn(remark);
}

/** Reads pairs, some thousands at a time. @throws InputError naming file and line of an unknown user or item */
async function* chunksOf(
  scorer: PairScorer,
  files: readonly PairFile[],
  from: number,
  to: number,
): AsyncGenerator<{ user: number[]; item: number[] }> {
  if (from >= to) return;
  let [user, item]: [number[], number[]] = [[], []];
  let row = 0;
  for (const { path, units } of files) {
    if (row + units <= from) {
      row += units;
      continue;
    }
    for await (const { ids, at } of readIds(path, ['user', 'item'])) {
      for (const [index, [userText, itemText]] of ids.entries() as ArrayIterator<[number, [string, string]]>) {
        if (row++ < from) continue;
        user.push(scorer.user(userText, at(index)));
        item.push(scorer.item(itemText, at(index)));
        if (row < to && user.length < CHUNK) continue;
        yield { user, item };
        if (row >= to) return;
        [user, item] = [[], []];
      }
    }
  }
  if (user.length > 0) yield { user, item };
}
