/** The folder of one run: who may write it, what lies in it, and when it counts as complete. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { ExperimentConfig } from '../config/schema';
import { InputError } from '../errors';
import { kindOf, readText, writeAtomically, writeAtomicallyWith } from '../files';
import { acquireLock } from './lock';
import { MetricsLog, type MetricsRecord } from './metrics-log';

/** What config.yaml says about the run besides its config. */
export interface Provenance {
  readonly crossgate: string;
  readonly node: string;
  readonly platform: string;
  /** Name of the GPU adapter, or null when the method needs none. */
  readonly adapter: string | null;
  readonly dataHash: string;
  readonly [key: string]: unknown;
}

/** State of a checkpoint: the caller's own JSON, and the weights file it belongs to. */
export interface Checkpoint<State> {
  readonly state: State;
  /** Absolute path of the safetensors file. */
  readonly weights: string;
}

interface CheckpointFile {
  readonly weights: string;
  readonly metricsBytes: number;
  readonly seconds: number;
  readonly state: unknown;
}

/** Config keys that may differ when a run is resumed: they say where things lie, not what they are. */
const MOVABLE = new Set(['data.path', 'llm.path', 'name']);

/** A run folder opened for writing. Close it, also after an error. */
export class RunFolder {
  private log: MetricsLog | undefined;
  private readonly opened = performance.now();
  private previousSeconds = 0;

  private constructor(
    /** Absolute path. */
    readonly path: string,
    private readonly release: () => Promise<void>,
    /** The topmost folder that was made for this run; undefined when the folder was there, empty. */
    private readonly madeFrom: string | undefined,
    /** Whether the folder held nothing when it was opened. */
    private readonly wasEmpty: boolean,
  ) {}

  /**
   * Opens a folder for a run and takes its lock.
   * @param path absolute; created when absent
   * @param options.resume continue an unfinished run; its config must be the same. Starts anew where there is nothing yet,
   * so that a script may always pass it
   * @throws InputError when the folder holds something else, a finished or unfinished run (without `resume`), another
   * config, or is being written by another process
   */
  static async open(path: string, config: ExperimentConfig, options: { resume: boolean }): Promise<RunFolder> {
    const kind = await kindOf(path);
    if (kind === 'file' || kind === 'other') throw new InputError(`${path}: is a file; choose another --run`);
    const madeFrom = await mkdir(path, { recursive: true });
    const release = await acquireLock(join(path, 'run.lock'));
    // Looked at under the lock, so that a run that another process just finished is seen.
    // Left by a process that was killed at the very start: a folder with no more than these is as good as new.
    const entries = (await readdir(path)).filter((name) => name !== 'run.lock' && !name.endsWith('.partial'));
    const folder = new RunFolder(path, release, madeFrom, entries.length === 0);
    try {
      const isRun = entries.includes('config.yaml');
      if (options.resume && isRun) await folder.checkSameConfig(config);
      else if (entries.includes('result.json')) {
        throw new InputError(`${path}: holds a complete run; choose another --run, or delete it first`);
      } else if (isRun) {
        throw new InputError(`${path}: holds an unfinished run; add --resume, or choose another --run`);
      } else if (entries.length > 0) {
        throw new InputError(`${path}: is not empty and is not a run; choose another --run`);
      }
      return folder;
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  /** Writes config.yaml and opens the metrics log, cut back to the last checkpoint. Called once, before training. */
  async begin(config: ExperimentConfig, provenance: Provenance): Promise<void> {
    const stored = (await this.readConfig())?.provenance as Partial<Provenance> | undefined;
    if (stored?.dataHash !== undefined && stored.dataHash !== provenance.dataHash) {
      throw new InputError(
        `${this.path}: the run was started on other data (hash ${stored.dataHash}, now ${provenance.dataHash}); resume with the same data`,
      );
    }
    await writeAtomically(join(this.path, 'config.yaml'), stringify({ ...config, provenance }));
    const last = await this.readCheckpointFile('last');
    this.previousSeconds = last?.seconds ?? 0;
    this.log = new MetricsLog(this.path, last?.metricsBytes ?? 0);
  }

  /** Appends a line to metrics.jsonl and to the TensorBoard file. */
  appendMetrics(record: MetricsRecord): void {
    if (this.log === undefined) throw new Error('RunFolder.begin must be called first');
    this.log.append(record);
  }

  /** Seconds of work in this run, earlier parts of a resumed run included (up to their last checkpoint). */
  get seconds(): number {
    return this.previousSeconds + (performance.now() - this.opened) / 1000;
  }

  /**
   * Stores a checkpoint. The small JSON is renamed into place after its weights, so it never names a file that is not whole.
   * @param state anything JSON can hold
   * @param writeWeights writes the safetensors file to the path it is given
   */
  async saveCheckpoint(
    name: 'last' | 'best',
    state: unknown,
    writeWeights: (path: string) => Promise<void>,
  ): Promise<void> {
    const folder = join(this.path, 'checkpoints');
    const previous = await this.readCheckpointFile(name);
    // Two alternating names: the file of the present checkpoint is never written over.
    const weights = previous?.weights === `${name}-a.safetensors` ? `${name}-b.safetensors` : `${name}-a.safetensors`;
    await writeAtomicallyWith(join(folder, weights), writeWeights);
    this.log?.sync();
    const file: CheckpointFile = { weights, metricsBytes: this.log?.bytes ?? 0, seconds: this.seconds, state };
    await writeAtomically(join(folder, `${name}.json`), `${JSON.stringify(file, null, 2)}\n`);
    if (previous !== undefined) await rm(join(folder, previous.weights), { force: true });
  }

  /** The stored checkpoint, or undefined when there is none yet. */
  async readCheckpoint<State>(name: 'last' | 'best'): Promise<Checkpoint<State> | undefined> {
    const file = await this.readCheckpointFile(name);
    if (file === undefined) return undefined;
    return { state: file.state as State, weights: join(this.path, 'checkpoints', file.weights) };
  }

  /** Writes a file of the run, such as `predictions/test.csv`, whole or not at all. */
  write(name: string, content: string | Uint8Array): Promise<void> {
    return writeAtomically(join(this.path, name), content);
  }

  /** Writes a file of the run through a writer that takes a path. */
  writeWith(name: string, fill: (path: string) => Promise<void>): Promise<void> {
    return writeAtomicallyWith(join(this.path, name), fill);
  }

  /** Writes result.json, which makes the run complete. */
  complete(result: unknown): Promise<void> {
    return this.write('result.json', `${JSON.stringify(result, null, 2)}\n`);
  }

  /** Closes the files and gives the lock back. */
  async close(): Promise<void> {
    this.log?.close();
    this.log = undefined;
    await this.release();
  }

  /** Closes after a failure; what this process made is removed when there is no checkpoint yet. */
  async abandon(): Promise<void> {
    await this.close();
    if (this.wasEmpty && !existsSync(join(this.path, 'checkpoints', 'last.json'))) {
      // Only what a run writes is deleted, so a foreign file that appeared meanwhile survives.
      const own = [
        'config.yaml',
        'metrics.jsonl',
        'tensorboard',
        'predictions',
        'checkpoints',
        'adapter',
        'cf.safetensors',
      ];
      for (const name of [...own, 'fusion.safetensors'])
        await rm(join(this.path, name), { recursive: true, force: true });
      if (this.madeFrom === undefined) return;
      for (let folder = this.path; folder.length >= this.madeFrom.length; folder = dirname(folder)) {
        await rmdir(folder).catch(() => {});
      }
    }
  }

  private async readCheckpointFile(name: string): Promise<CheckpointFile | undefined> {
    const path = join(this.path, 'checkpoints', `${name}.json`);
    if ((await kindOf(path)) === 'absent') return undefined;
    try {
      return JSON.parse(await readFile(path, 'utf8')) as CheckpointFile;
    } catch {
      throw new InputError(`${path}: is not a checkpoint; delete the folder and start the run again`);
    }
  }

  private async readConfig(): Promise<Record<string, unknown> | undefined> {
    const path = join(this.path, 'config.yaml');
    if ((await kindOf(path)) === 'absent') return undefined;
    try {
      return parse(await readText(path, 'config')) as Record<string, unknown>;
    } catch (error) {
      if ((error as Error).name === 'InputError') throw error;
      throw new InputError(`${path}: is not valid YAML; delete the folder and start the run again`);
    }
  }

  private async checkSameConfig(config: ExperimentConfig): Promise<void> {
    const stored = flatten((await this.readConfig()) ?? {});
    const now = flatten(config as unknown as Record<string, unknown>);
    for (const key of new Set([...stored.keys(), ...now.keys()])) {
      if (MOVABLE.has(key) || key.startsWith('provenance.')) continue;
      if (stored.get(key) === now.get(key)) continue;
      const words = `${key} was ${stored.get(key) ?? 'absent'} and is now ${now.get(key) ?? 'absent'}`;
      throw new InputError(
        `${join(this.path, 'config.yaml')}: ${words}; resume with the same config, or use another --run`,
      );
    }
  }
}

/** Dotted path → JSON of the value; lists count as values. */
function flatten(tree: Record<string, unknown>, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const entry of flatten(value as Record<string, unknown>, path)) flat.set(...entry);
    } else flat.set(path, JSON.stringify(value));
  }
  return flat;
}

/** result.json of a complete run. */
export interface StoredResult {
  readonly run: string;
  readonly method: string;
  readonly seconds: number;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/**
 * Reads the result of a run folder.
 * @throws InputError when the path is not a run, or the run is not complete
 */
export async function readResult(path: string): Promise<StoredResult> {
  const kind = await kindOf(path);
  if (kind === 'absent') throw new InputError(`${path}: run not found; check the path`);
  if (kind !== 'folder') throw new InputError(`${path}: is a file, but a run is a folder`);
  if ((await kindOf(join(path, 'config.yaml'))) === 'absent') {
    throw new InputError(`${path}: is not a run (it has no config.yaml)`);
  }
  const file = join(path, 'result.json');
  if ((await kindOf(file)) === 'absent') {
    throw new InputError(
      `${path}: the run is not complete; finish it with train ${basename(path)}/config.yaml --resume --run ${path}`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(await readText(file, 'result'));
  } catch (error) {
    if ((error as Error).name === 'InputError') throw error;
    throw new InputError(`${file}: is not valid JSON; the file was changed or damaged`);
  }
  const result = value as Partial<StoredResult> | null;
  if (
    typeof result !== 'object' ||
    result === null ||
    typeof result.method !== 'string' ||
    typeof result.metrics !== 'object'
  ) {
    throw new InputError(`${file}: is not the result of a run`);
  }
  return result as StoredResult;
}
