/** The folder of one run: who may write it, what lies in it, and when it counts as complete. */

import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import {
  acquireLock,
  checkUnlocked,
  type FileContent,
  isTemporaryName,
  kindOf,
  type Lock,
  makeFolders,
  readText,
  removeFolders,
  writeAtomic,
} from '@crossgate/files';
import { parse, stringify } from 'yaml';
import type { z } from 'zod';
import { API_OPERATION } from '../config/api-schema';
import { fillMethodDefaults } from '../config/method-defaults';
import { isPlain } from '../config/plain';
import { moveRenamedKeys } from '../config/renamed';
import { configSchema, type ExperimentConfig } from '../config/schema';
import { hasVectorsOf } from './cf-file';
import { type CheckpointFile, type CheckpointName, checkCheckpointState, readCheckpointFile } from './checkpoint-file';
import { MetricsLog, type MetricsRecord, readKept } from './metrics-log';
import { greaterPeak, type PeakMemory, processPeak } from './peak-memory';

/** What config.yaml says about the run besides its config. */
export interface Provenance {
  /** Version of Crossgate. */
  readonly crossgate: string;
  /** Version of Node, such as `v20.19.0`. */
  readonly node: string;
  /** Operating system and processor, such as `linux-x64`. */
  readonly platform: string;
  /** Name of the GPU adapter, or null when the method needs none. */
  readonly adapter: string | null;
  /** `hash` of the data set; a run is resumed on the same one only. */
  readonly dataHash: string;
  /** Of the language model, see `modelHash`; absent when the method needs none. */
  readonly modelHash?: string;
  /** The run that the training continues: its path, and the hashes of its data and of its language model. */
  readonly from?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** State of a checkpoint: the caller's own JSON, and the weights file it belongs to. */
export interface Checkpoint<State> {
  /** What the caller passed to `saveCheckpoint`, checked by the schema. */
  readonly state: State;
  /** Absolute path of the safetensors file. */
  readonly weights: string;
}

/** What a folder is to a run: nothing yet (absent or empty), a run to go on with, or one that is done. */
export type RunState = 'new' | 'unfinished' | 'complete';

/** Config keys that may differ when a run is resumed: they say where things lie, not what they are. */
export const MOVABLE: ReadonlySet<string> = new Set(['data.path', 'llm.path', 'name', ...API_OPERATION]);

/** How a run folder is opened. */
export interface OpenOptions {
  /** Continue an unfinished run; its config must be the same. Starts anew where there is nothing yet. */
  readonly resume: boolean;
  /** Folder that a relative `cf.run` is of; default the process's. */
  readonly cwd?: string;
  /** Called with each record of the log: those that a resumed run keeps first, then each as it is appended. */
  readonly onMetrics?: ((record: MetricsRecord) => void) | undefined;
}

/** A run folder opened for writing. Close it, also after an error. */
export class RunFolder {
  private log: MetricsLog | undefined;
  private readonly opened = performance.now();
  private previousSeconds = 0;
  private previousPeak: PeakMemory | undefined;
  private devicePeak: (() => number) | undefined;
  private closed = false;
  private kept: string | null = null;

  protected constructor(
    /** Absolute path. */
    readonly path: string,
    private readonly lock: Lock,
    /** The topmost folder that was made for this run; undefined when the folder was there, empty. */
    private readonly madeFrom: string | undefined,
    /** What the folder was when it was opened. */
    readonly state: RunState,
    private readonly onMetrics: (record: MetricsRecord) => void = () => {},
  ) {}

  /**
   * Looks at a folder as `open` does, without making or locking anything: what cannot be used is found before a method
   * opens its model.
   * @throws InputError as `open`
   */
  static async check(path: string, config: ExperimentConfig, options: OpenOptions): Promise<RunState> {
    await checkUnlocked(join(path, 'run.lock'));
    return inspect(path, config, options);
  }

  /**
   * Opens a folder for a run and takes its lock.
   * @param path absolute; created when absent
   * @throws InputError when the folder cannot be made, holds something else, a finished or unfinished run (without
   * `resume`), another config, a damaged checkpoint or log, or is being written by another process
   */
  static async open(path: string, config: ExperimentConfig, options: OpenOptions): Promise<RunFolder> {
    const madeFrom = await makeFolders(path, 'choose another --run');
    let lock: Lock | undefined;
    try {
      lock = await acquireLock(join(path, 'run.lock'));
      // Looked at under the lock, so that a run that another process just finished is seen.
      return new RunFolder(path, lock, madeFrom, await inspect(path, config, options), options.onMetrics);
    } catch (error) {
      await lock?.release();
      if (madeFrom !== undefined) await removeFolders(path, madeFrom);
      throw error;
    }
  }

  /** Writes config.yaml and opens the metrics log, cut back to the last checkpoint. Called once, before training. */
  async begin(config: ExperimentConfig, provenance: Provenance): Promise<void> {
    const stored = await storedProvenance(this.path);
    for (const [key, what] of [
      ['dataHash', 'data'],
      ['modelHash', 'model weights or another tokenizer'],
    ] as const) {
      if (typeof stored[key] !== 'string' || stored[key] === provenance[key]) continue;
      throw new InputError(
        `the run was started on other ${what} (hash ${stored[key]}, now ${provenance[key] ?? 'none'})`,
        { code: 'run.other-config', place: this.path, fix: 'resume with the same' },
      );
    }
    const fromOf = ({ from }: Partial<Provenance>) => from?.dataHash;
    if (typeof stored.dataHash === 'string' && fromOf(stored) !== fromOf(provenance)) {
      throw new InputError(
        fromOf(stored) === undefined ? 'the run was started from none' : 'the run was started from another run',
        { code: 'run.other-config', place: this.path, fix: 'resume with the same --from' },
      );
    }
    const last = await readCheckpointFile(this.path, 'last');
    const kept = readKept(this.path, last?.metricsBytes ?? 0);
    await removeLeftovers(this.path);
    await writeAtomic(join(this.path, 'config.yaml'), stringify({ ...config, provenance }));
    this.previousSeconds = last?.seconds ?? 0;
    this.previousPeak = last?.peakMemory;
    this.log = new MetricsLog(this.path, kept);
    for (const record of kept.records) this.onMetrics(record);
  }

  /** Appends a line to metrics.jsonl and to the TensorBoard file. */
  appendMetrics(record: MetricsRecord): void {
    if (this.log === undefined) throw new Error('RunFolder.begin must be called first');
    this.log.append(record);
    this.onMetrics(record);
  }

  /** Seconds of work in this run, earlier parts of a resumed run included (up to their last checkpoint). */
  get seconds(): number {
    return this.previousSeconds + (performance.now() - this.opened) / 1000;
  }

  /** Says how to find the most bytes that this run has had on the device. */
  measureMemory(devicePeak: () => number): void {
    this.devicePeak = devicePeak;
  }

  /** Most bytes at any time, earlier parts of a resumed run included (up to their last checkpoint). */
  get peakMemory(): PeakMemory {
    return greaterPeak({ device: this.devicePeak?.() ?? null, process: processPeak() }, this.previousPeak);
  }

  /**
   * Stores a checkpoint. The small JSON is renamed into place after its weights, so it never names a file that is not
   * whole.
   * @param state anything JSON can hold
   * @param content of the safetensors file
   * @throws Error when the lock was lost, or what the file system throws; the checkpoint before stays as it was
   */
  async saveCheckpoint(name: CheckpointName, state: unknown, content: FileContent): Promise<void> {
    await this.lock.check();
    const folder = join(this.path, 'checkpoints');
    const previous = await readCheckpointFile(this.path, name);
    // Two alternating names: the file of the present checkpoint is never written over.
    const weights = previous?.weights === `${name}-a.safetensors` ? `${name}-b.safetensors` : `${name}-a.safetensors`;
    await writeAtomic(join(folder, weights), content);
    try {
      this.log?.sync();
      const { seconds, peakMemory } = this;
      const file: CheckpointFile = { weights, metricsBytes: this.log?.bytes ?? 0, seconds, peakMemory, state };
      await writeAtomic(join(folder, `${name}.json`), `${JSON.stringify(file, null, 2)}\n`);
    } catch (error) {
      // Nothing names these weights; on a full disk their room is needed.
      await rm(join(folder, weights), { force: true });
      throw error;
    }
    if (previous !== undefined) await rm(join(folder, previous.weights), { force: true });
  }

  /**
   * The stored checkpoint, or undefined when there is none yet.
   * @param schema what the caller stored as its state
   * @throws InputError for a state that is something else
   */
  async readCheckpoint<State>(name: CheckpointName, schema: z.ZodType<State>): Promise<Checkpoint<State> | undefined> {
    const file = await readCheckpointFile(this.path, name);
    if (file === undefined) return undefined;
    const state = checkCheckpointState(this.path, name, schema, file.state);
    return { state, weights: join(this.path, 'checkpoints', file.weights) };
  }

  /** Writes a file of the run, such as `predictions/test.csv`, whole or not at all. */
  async write(name: string, content: FileContent): Promise<void> {
    await this.lock.check();
    await writeAtomic(join(this.path, name), content);
  }

  /** Removes a file of the run, if it is there. */
  async remove(name: string): Promise<void> {
    await this.lock.check();
    await rm(join(this.path, name), { force: true });
  }

  /** Writes result.json, which makes the run complete. */
  complete(result: unknown): Promise<void> {
    return this.write('result.json', `${JSON.stringify(result, null, 2)}\n`);
  }

  /**
   * Says that the folder holds work that is no checkpoint but worth going on from: it stays after a failure.
   * @param work what messages call it, such as `the answers that it has`
   */
  keep(work: string): void {
    this.kept = work;
  }

  /** What a resumed run goes on from, in words; null where there is nothing. */
  get resumesFrom(): string | null {
    const hasCheckpoint = existsSync(join(this.path, 'checkpoints', 'last.json'));
    return this.kept ?? (hasCheckpoint ? 'its last checkpoint' : null);
  }

  /** Closes the files and gives the lock back. May be called again. */
  async close(): Promise<void> {
    // The lock may be another process's by now.
    if (this.closed) return;
    this.closed = true;
    this.log?.close();
    this.log = undefined;
    await this.lock.release();
  }

  /** Closes after a failure; what this process made is removed when there is nothing to go on from yet. */
  async abandon(): Promise<void> {
    if (this.closed) return;
    const ours = await this.lock.check().then(
      () => true,
      () => false,
    );
    if (!ours || this.state !== 'new' || this.resumesFrom !== null) return this.close();
    this.log?.close();
    this.log = undefined;
    // Only what a run writes is deleted, so a foreign file that appeared meanwhile survives.
    const own = ['config.yaml', 'metrics.jsonl', 'tensorboard', 'predictions', 'checkpoints', 'adapter'];
    // Under the lock: as soon as it is given back, the folder may be another process's.
    for (const name of [...own, 'cf.safetensors', 'fusion.safetensors', 'fine-tune.jsonl', 'data.gz']) {
      await rm(join(this.path, name), { recursive: true, force: true });
    }
    await this.close();
    if (this.madeFrom !== undefined) await removeFolders(this.path, this.madeFrom);
  }
}

/**
 * Removes what a process that was killed in the middle of a write left: unfinished files, and weights that nothing
 * names.
 */
async function removeLeftovers(run: string): Promise<void> {
  const named = new Set<string>();
  for (const name of ['last', 'best'] as const) {
    const file = await readCheckpointFile(run, name);
    if (file !== undefined) named.add(file.weights);
  }
  for (const folder of ['', 'checkpoints', 'adapter', 'predictions']) {
    for (const entry of await readdir(join(run, folder)).catch(() => [])) {
      // Another process may be trying to take the lock, by way of such a file.
      const unfinished = isTemporaryName(entry) && !entry.startsWith('.run.lock.');
      const unnamed = folder === 'checkpoints' && /^(last|best)-[ab]\.safetensors$/.test(entry) && !named.has(entry);
      if (unfinished || unnamed) await rm(join(run, folder, entry), { force: true });
    }
  }
}

/** Says what a folder is to a run of `config`. Everything that a resumed run reads is checked. */
async function inspect(path: string, config: ExperimentConfig, options: OpenOptions): Promise<RunState> {
  const kind = await kindOf(path);
  if (kind === 'absent') return 'new';
  if (kind !== 'folder')
    throw new InputError('is a file', { code: 'file.kind', place: path, fix: 'choose another --run' });
  // Left by a process that was killed at the very start: a folder with no more than these is as good as new.
  const entries = (await readdir(path)).filter((name) => name !== 'run.lock' && !isTemporaryName(name));
  if (entries.length === 0) return 'new';
  const isRun = entries.includes('config.yaml');
  const complete = entries.includes('result.json');
  if (!isRun || !options.resume) {
    if (complete)
      throw new InputError('holds a complete run', {
        code: 'run.exists',
        place: path,
        fix: 'choose another --run, or delete it first',
      });
    if (isRun)
      throw new InputError('holds an unfinished run', {
        code: 'run.unfinished',
        place: path,
        fix: 'add --resume, or choose another --run',
      });
    throw new InputError('is not empty and is not a run', {
      code: 'run.exists',
      place: path,
      fix: 'choose another --run',
    });
  }
  await checkSameConfig(path, config, options.cwd ?? process.cwd());
  if (complete) return 'complete';
  const last = await readCheckpointFile(path, 'last');
  await readCheckpointFile(path, 'best');
  readKept(path, last?.metricsBytes ?? 0);
  return 'unfinished';
}

/** What config.yaml of a run says besides its config. @throws InputError when it is not YAML */
export async function storedProvenance(run: string): Promise<Partial<Provenance>> {
  return ((await readConfig(run))?.provenance as Partial<Provenance> | null | undefined) ?? {};
}

async function readConfig(run: string): Promise<Record<string, unknown> | undefined> {
  const path = join(run, 'config.yaml');
  if ((await kindOf(path)) === 'absent') return undefined;
  try {
    const config: unknown = parse(await readText(path, 'config'), { logLevel: 'error' });
    if (isPlain(config)) moveRenamedKeys(config);
    return config as Record<string, unknown>;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError('is not valid YAML', {
      code: 'run.damaged',
      place: path,
      fix: 'delete the folder and start the run again',
    });
  }
}

async function checkSameConfig(run: string, config: ExperimentConfig, cwd: string): Promise<void> {
  const { provenance: _, ...keys } = (await readConfig(run)) ?? {};
  // A run of an older program lacks the keys that came since: their defaults are what it did.
  fillMethodDefaults(keys);
  const complete = configSchema.safeParse(keys);
  const stored = flatten(complete.success ? complete.data : keys);
  const now = flatten(config as unknown as Record<string, unknown>);
  for (const key of new Set([...stored.keys(), ...now.keys()])) {
    if (MOVABLE.has(key) || key.startsWith('provenance.')) continue;
    if ((stored.get(key) ?? 'null') === (now.get(key) ?? 'null')) continue;
    // The same vectors may lie elsewhere by now.
    const isMoved = key === 'cf.run' && stored.get(key) !== 'null' && config.cf.run !== null;
    if (isMoved && (await hasVectorsOf(run, config.cf.run!, cwd))) continue;
    const words = `${key} was ${stored.get(key) ?? 'absent'} and is now ${now.get(key) ?? 'absent'}`;
    throw new InputError(words, {
      code: 'run.other-config',
      place: join(run, 'config.yaml'),
      fix: 'resume with the same config, or use another --run',
    });
  }
}

/** Dotted path → JSON of the value; lists count as values. */
export function flatten(tree: Record<string, unknown>, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const entry of flatten(value as Record<string, unknown>, path)) flat.set(...entry);
    } else flat.set(path, JSON.stringify(value));
  }
  return flat;
}
