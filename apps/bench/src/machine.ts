/** The machine and adapter that figures belong to. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Capabilities } from '@crossgate/gpu';

export interface Machine {
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
}

export interface Adapter {
  readonly name: string;
  readonly vendor: string;
  readonly driver: string;
  readonly type: 'hardware' | 'software';
}

export function describeMachine(): Machine {
  return {
    system: `${type()} ${release()} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.versions.node,
  };
}

export function describeAdapter({ name, vendor, driver, software }: Capabilities): Adapter {
  return { name, vendor, driver, type: software ? 'software' : 'hardware' };
}

/**
 * The commit this program was built from: named by the file `commit` beside it (a bundle has one), else asked of git in
 * a checkout, with `-dirty` after it when files differ. Null when neither knows.
 */
export async function findCommit(): Promise<string | null> {
  const folder = fileURLToPath(new URL('.', import.meta.url));
  const named = await readFile(new URL('./commit', import.meta.url), 'utf8').catch(() => '');
  if (named.trim() !== '') return named.trim();
  const args = ['-C', folder, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'];
  const { stdout } = await promisify(execFile)('git', args).catch(() => ({ stdout: '' }));
  return stdout.trim() === '' ? null : stdout.trim();
}
