/**
 * Runs the kernels' tests, each kernel in a process of its own: a crash, a hang or a lost device stays with its kernel.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { InterruptedError } from '@crossgate/core';
import type { VerifiableKernel, VerifyResult, WorkerMessage } from './rows';

export interface VerifyOptions {
  /** Path of the built worker. */
  readonly worker: string;
  /** Kernels at once. */
  readonly jobs: number;
  /** As `--adapter`. */
  readonly adapter?: string;
  readonly signal?: AbortSignal;
  readonly onKernel?: (kernel: string, results: readonly VerifyResult[], done: number, total: number) => void;
}

interface Ended {
  /** How the process ended, for a message; undefined after an orderly end. */
  readonly problem?: string;
}

/** Starts a worker and hands on what it sends. */
function runWorker(
  args: readonly string[],
  options: Pick<VerifyOptions, 'worker' | 'adapter' | 'signal'>,
  onMessage: (message: WorkerMessage) => void,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...(options.adapter !== undefined && { CROSSGATE_ADAPTER: options.adapter }) };
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'] as const;
    const child: ChildProcess = fork(options.worker, [...args], { env, stdio: [...stdio], serialization: 'advanced' });
    const stop = () => void child.kill('SIGKILL');
    options.signal?.addEventListener('abort', stop);
    let done = false;
    let lastWords = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-2000);
    });
    child.on('message', (message: WorkerMessage) => {
      done ||= message.kind !== 'results';
      onMessage(message);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      options.signal?.removeEventListener('abort', stop);
      if (options.signal?.aborted) return reject(new InterruptedError());
      if (done && code === 0) return resolve({});
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      const words = lastWords.trim().split('\n').slice(-5).join(' | ');
      resolve({ problem: `the process ended early with ${how}${words === '' ? '' : `: ${words}`}` });
    });
  });
}

/**
 * The kernels that have tests.
 *
 * @throws Error when the worker does not start
 */
export async function listKernels(options: Pick<VerifyOptions, 'worker' | 'signal'>): Promise<VerifiableKernel[]> {
  let kernels: readonly VerifiableKernel[] = [];
  const { problem } = await runWorker([], options, (message) => {
    if (message.kind === 'kernels') kernels = message.kernels;
  });
  if (problem !== undefined) throw new Error(`${options.worker}: ${problem}`);
  return [...kernels];
}

/** Runs all tests of these kernels. Results are in the order of `kernels`, whichever ends first. */
export async function verifyKernels(kernels: readonly string[], options: VerifyOptions): Promise<VerifyResult[]> {
  const byKernel = new Map<string, VerifyResult[]>(kernels.map((kernel) => [kernel, []]));
  const waiting = [...kernels];
  let done = 0;
  const work = async () => {
    for (let kernel = waiting.shift(); kernel !== undefined; kernel = waiting.shift()) {
      const results = byKernel.get(kernel)!;
      const start = performance.now();
      const { problem } = await runWorker([kernel], options, (message) => {
        if (message.kind === 'results') results.push(...message.results);
      });
      if (problem !== undefined) {
        const ms = performance.now() - start;
        const nothing = { shape: '', maxError: null, tolerance: null, ok: false, ms };
        results.push({ kernel, variant: 'all tests', ...nothing, message: problem });
      }
      options.onKernel?.(kernel, results, ++done, kernels.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, kernels.length) }, work));
  return [...byKernel.values()].flat();
}
