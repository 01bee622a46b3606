/** `metrics.jsonl` and its TensorBoard twin: appended line by line, cut back to a checkpoint on resume. */
import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
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

/** Appends records; each is one write, so that a killed process leaves at most one unfinished last line. */
export class MetricsLog {
  private readonly file: number;
  private readonly events: number;
  private length = 0;

  /**
   * Opens the log of a run folder.
   * @param keepBytes length of `metrics.jsonl` at the checkpoint that is resumed; 0 starts anew. The event file is
   * written again from what is kept.
   */
  constructor(folder: string, keepBytes = 0) {
    const path = join(folder, 'metrics.jsonl');
    this.file = openSync(path, keepBytes > 0 ? 'r+' : 'w');
    const boards = join(folder, 'tensorboard');
    rmSync(boards, { recursive: true, force: true });
    mkdirSync(boards, { recursive: true });
    const now = Date.now() / 1000;
    this.events = openSync(join(boards, `events.out.tfevents.${Math.floor(now)}.crossgate`), 'wx');
    writeSync(this.events, versionEvent(now));
    if (keepBytes > 0) {
      ftruncateSync(this.file, keepBytes);
      for (const record of readMetrics(path)) this.board(record);
      this.length = readFileSync(path).length;
    }
  }

  /** Bytes written so far: what a checkpoint remembers. */
  get bytes(): number {
    return this.length;
  }

  /** Brings everything written so far to the disk, before a checkpoint says that it is there. */
  sync(): void {
    fsyncSync(this.file);
  }

  /** Appends one record. */
  append(record: MetricsRecord): void {
    const stamped = { ...record, time: record.time ?? Math.round(Date.now()) / 1000 };
    const line = Buffer.from(`${JSON.stringify(stamped)}\n`);
    writeSync(this.file, line, 0, line.length, this.length);
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
    writeSync(this.events, scalarEvent(record.time ?? 0, record.step, scalars));
  }

  close(): void {
    closeSync(this.file);
    closeSync(this.events);
  }
}

/** Reads `metrics.jsonl`; an unfinished last line is left out. */
export function readMetrics(path: string): MetricsRecord[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as MetricsRecord);
}
