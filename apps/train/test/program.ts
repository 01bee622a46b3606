/** Runs the built program as a process of its own, for what only a process can show: kills, locks, full disks. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** The built program, or another build of it that CROSSGATE_PROGRAM names. */
export const program = process.env.CROSSGATE_PROGRAM ?? join(import.meta.dirname, '../dist/main.js');

// The program imports its neighbours' builds, so a partly built checkout cannot run it.
const neighbours = ['data', 'eval', 'gpu', 'kernels', 'tensor', 'cf', 'llm', 'fusion'];
const packages = join(import.meta.dirname, '../../../packages');

/** Whether it can be run: `npm test` builds first. */
export const built =
  existsSync(program) &&
  (process.env.CROSSGATE_PROGRAM !== undefined ||
    neighbours.every((name) => existsSync(join(packages, name, 'dist/index.js'))));

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A module that is loaded before the program. */
  readonly preload?: string;
}

/** Starts `crossgate ARGS`. */
export function startProgram(
  argv: readonly string[],
  { cwd, env = {}, preload }: StartOptions,
): { child: ChildProcess; ended: Promise<Ended> } {
  const before = preload === undefined ? [] : ['--import', preload];
  const child = spawn(process.execPath, [...before, program, ...argv], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { child, ended: endOf(child) };
}

/** How a process ends, and what it says until then. */
export function endOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
}
