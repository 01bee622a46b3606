/** `metrics.jsonl` and its TensorBoard twin: appended line by line, cut back to a checkpoint on resume. */

import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import { withPath } from '@crossgate/files';
import { scalarEvent, versionEvent } from './tensorboard';

/** One line of the log: where in the run, and its numbers. */
export interface MetricsRecord {
  /** Part of the run, such as `cf`, `stage1` or `stage2`; the first part of the TensorBoard tag. */
  readonly phase: string;
  /** Optimizer step within the phase, from 1. */
  readonly step: number;
  /** Seconds since 1970; filled in when absent. */
  readonly time?: number;
  readonly [name: string]: number | string | null | undefined;
}

const FILE = 'metrics.jsonl';

/** The part of a log that a resumed run keeps. */
export interface KeptLog {
  readonly bytes: number;
  readonly records: readonly MetricsRecord[];
}

const NOTHING_KEPT: KeptLog = { bytes: 0, records: [] };

/** Writes all of it: on a disk that fills up, a write may take only a part before the next one fails. */
function writeWhole(file: number, bytes: Uint8Array, position?: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, position === undefined ? null : position + done);
  }
}

/** Appends records; each is one write, so that a killed process leaves at most one unfinished last line. */
export class MetricsLog {
  private readonly path: string;
  private readonly boards: string;
  private readonly file: number;
  private readonly events: number;
  private length = 0;

  /**
   * Opens the log of a run folder.
   * @param kept what stays of the log, as `readKept` gives it. The event file is written again from it.
   */
  constructor(folder: string, kept: KeptLog = NOTHING_KEPT) {
    this.path = join(folder, FILE);
    this.boards = join(folder, 'tensorboard');
    rmSync(this.boards, { recursive: true, force: true });
    mkdirSync(this.boards, { recursive: true });
    this.file = openSync(this.path, kept.bytes > 0 ? 'r+' : 'w');
    const now = Date.now() / 1000;
    this.events = openSync(join(this.boards, `events.out.tfevents.${Math.floor(now)}.crossgate`), 'wx');
    this.writeEvent(versionEvent(now));
    ftruncateSync(this.file, kept.bytes);
    for (const record of kept.records) this.board(record);
    this.length = kept.bytes;
  }

  /** Bytes written so far: what a checkpoint remembers. */
  get bytes(): number {
    return this.length;
  }

  /** Brings everything written so far to the disk, before a checkpoint says that it is there. */
  sync(): void {
    try {
      fsyncSync(this.file);
    } catch (error) {
      throw withPath(error, this.path);
    }
  }

  /**
   * Appends one record.
   * @throws what the file system throws, naming the file; the log then counts as long as before
   */
  append(record: MetricsRecord): void {
    const stamped = { ...record, time: record.time ?? Math.round(Date.now()) / 1000 };
    const line = Buffer.from(`${JSON.stringify(stamped)}\n`);
    try {
      writeWhole(this.file, line, this.length);
    } catch (error) {
      throw withPath(error, this.path);
    }
    this.length += line.length;
    this.board(stamped);
  }

  private board(record: MetricsRecord): void {
    const scalars: Record<string, number> = {};
    for (const [name, value] of Object.entries(record)) {
      if (name === 'step' || name === 'time' || typeof value !== 'number' || !Number.isFinite(value)) continue;
      scalars[`${record.phase}/${name}`] = value;
    }
    if (Object.keys(scalars).length === 0) return;
    this.writeEvent(scalarEvent(record.time ?? 0, record.step, scalars));
  }

  private writeEvent(bytes: Uint8Array): void {
    try {
      writeWhole(this.events, bytes);
    } catch (error) {
      throw withPath(error, this.boards);
    }
  }

  /** Closes both files; nothing may be appended afterwards. */
  close(): void {
    closeSync(this.file);
    closeSync(this.events);
  }
}

/**
 * Reads `metrics.jsonl`; an unfinished last line is left out.
 * @throws InputError naming the file and the line that is no record
 */
export function readMetrics(path: string): MetricsRecord[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return parseRecords(lines, path, 'the file was changed or damaged');
}

/**
 * Reads and checks the part of a run's log that was there at its checkpoint. Changes nothing.
 * @param bytes length of `metrics.jsonl` at the checkpoint; 0 keeps nothing
 * @throws InputError naming the file, and the line that is no record
 */
export function readKept(folder: string, bytes: number): KeptLog {
  if (bytes === 0) return NOTHING_KEPT;
  const path = join(folder, FILE);
  const remedy = 'the file was changed or damaged; restore it, or delete the folder and start the run again';
  const content = existsSync(path) ? readFileSync(path) : undefined;
  if (content === undefined || content.length < bytes) {
    const found = content === undefined ? 'is missing' : `has ${content.length} bytes`;
    throw new InputError(`${found}, but the last checkpoint was made after ${bytes}`, {
      code: 'run.damaged',
      place: path,
      fix: remedy,
    });
  }
  const lines = content.toString('utf8', 0, bytes).split('\n');
  if (lines.pop() !== '')
    throw new InputError('the line is not whole', {
      code: 'run.damaged',
      place: `${path}:${lines.length + 1}`,
      fix: remedy,
    });
  const records = parseRecords(lines, path, remedy);
  return { bytes, records };
}

function parseRecords(lines: readonly string[], path: string, remedy: string): MetricsRecord[] {
  return lines.map((line, index) => {
    const record = parseRecord(line);
    if (record !== undefined) return record;
    throw new InputError('is not a record of a run', {
      code: 'run.damaged',
      place: `${path}:${index + 1}`,
      fix: remedy,
    });
  });
}

function parseRecord(line: string): MetricsRecord | undefined {
  try {
    const value = JSON.parse(line) as Partial<MetricsRecord> | null;
    const valid = typeof value?.phase === 'string' && Number.isSafeInteger(value.step) && Number(value.step) >= 0;
    return valid ? (value as MetricsRecord) : undefined;
  } catch {
    return undefined;
  }
}
