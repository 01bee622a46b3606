/** Runs pytorch.py: finds a python3 with torch, hands over cases as files, and reads what it says. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InterruptedError } from '@crossgate/core';
import type { HostArray, PeerWork } from './work';

/** What PyTorch is there. */
export interface TorchInfo {
  readonly torch: string;
  /** Name of the GPU, or the processor. */
  readonly device: string;
}

/** The result of one case in one data type. */
export interface TorchResult {
  readonly id: string;
  readonly dtype: 'f32' | 'f16';
  /** Milliseconds of one call; null when it does not run or differs from ours. */
  readonly ms: number | null;
  /** Relative error to our f32 result, in the Euclidean norm. */
  readonly error: number | null;
  readonly message?: string;
}

/** The script: beside this file, beside a bundle's program, or in the package's sources. */
function scriptPath(): string {
  const places = ['./pytorch.py', '../src/peers/pytorch.py'].map((name) =>
    fileURLToPath(new URL(name, import.meta.url)),
  );
  const found = places.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`pytorch.py is not there (tried ${places.join(', ')})`);
  return found;
}

/** The script is stopped after this time; what it had printed counts. */
const secondsForAll = 150;

/** Runs python3 to its end. */
function python(
  args: readonly string[],
  seconds: number,
  signal?: AbortSignal,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [scriptPath(), ...args], {
      ...{ stdio: ['ignore', 'pipe', 'pipe'], timeout: 1000 * seconds, killSignal: 'SIGKILL' },
      // Nothing is written beside the script: the bundle may be read-only.
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    const stop = () => void child.kill('SIGKILL');
    signal?.addEventListener('abort', stop);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4000);
    });
    child.on('error', (error) => resolve({ code: null, stdout: '', stderr: error.message }));
    child.on('close', (code) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) reject(new InterruptedError());
      else resolve({ code, stdout, stderr });
    });
  });
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';

/** Asks python3 for torch. @returns what there is, or why there is none */
export async function findTorch(signal?: AbortSignal): Promise<TorchInfo | { readonly reason: string }> {
  const { code, stdout, stderr } = await python(['--probe'], 120, signal);
  if (code !== 0) return { reason: `no PyTorch: ${lastLine(stderr) || 'python3 failed'}` };
  return JSON.parse(lastLine(stdout)) as TorchInfo;
}

/** Cases on disk, for one run of the script. */
export class TorchRun {
  readonly #cases: Pick<PeerWork, 'id' | 'dtypes'>[] = [];

  private constructor(readonly folder: string) {}

  static async create(): Promise<TorchRun> {
    return new TorchRun(await mkdtemp(join(tmpdir(), 'crossgate-peers-')));
  }

  /** Writes a case's arrays. */
  async add(
    { id, op, settings, dtypes }: PeerWork,
    inputs: Readonly<Record<string, HostArray>>,
    outputs: Readonly<Record<string, HostArray>>,
  ): Promise<void> {
    const write = async (kind: string, arrays: Readonly<Record<string, HostArray>>) => {
      const entries: Record<string, unknown> = {};
      for (const [index, [name, { shape, data }]] of Object.entries(arrays).entries()) {
        const file = `${id}.${kind}.${index}.bin`;
        await writeFile(join(this.folder, file), data);
        entries[name] = { file, shape, dtype: data instanceof Int32Array ? 'i32' : 'f32' };
      }
      return entries;
    };
    const files = { inputs: await write('in', inputs), outputs: await write('out', outputs) };
    const written = { id, op, settings, dtypes, ...files };
    this.#cases.push(written);
  }

  /** Runs the script on all cases. A case it does not come to has a message that says how the script ended. */
  async run(signal?: AbortSignal): Promise<TorchResult[]> {
    await writeFile(join(this.folder, 'cases.json'), JSON.stringify(this.#cases));
    const { code, stdout, stderr } = await python([this.folder], secondsForAll, signal);
    // The last line of a script that was stopped may be cut off.
    const lines = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n');
    const answers = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as TorchResult);
    const how = code === null ? `stopped after ${secondsForAll} s` : lastLine(stderr) || `exit code ${code}`;
    return this.#cases.flatMap(({ id, dtypes }) =>
      dtypes.map(
        (dtype): TorchResult =>
          answers.find((answer) => answer.id === id && answer.dtype === dtype) ?? {
            id,
            dtype,
            ms: null,
            error: null,
            message: `pytorch.py ended before this case: ${how}`,
          },
      ),
    );
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
