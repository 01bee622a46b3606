/** What a library in a peer's process does, and the GPU that it gets. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type DawnGpu, openDawn } from '@crossgate/gpu/node';
import type { TimedAnswer } from '../protocol';
import { startTimer } from '../timer';

/** An array on the host. */
export interface HostValues {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;
  /** Rows that `data` holds, where it does not hold all. */
  readonly rows?: readonly number[];
}

/** One way to do a prepared case. */
export interface Way {
  /** Does it once and reads what came out. */
  results(): Promise<Record<string, HostValues>>;
  /** Does it `calls` times, until the device is done. */
  time(calls: number): Promise<TimedAnswer>;
}

/** A case on the device. */
export interface PreparedWays {
  readonly ways: ReadonlyMap<string, Way>;
  release(): void;
}

/** A library that is ready. */
export interface Library {
  readonly version: string;
  readonly device: string;
  /** The cases that it can do. */
  readonly ops: readonly string[];
  prepare(
    op: string,
    settings: Readonly<Record<string, number>>,
    inputs: Readonly<Record<string, HostValues>>,
  ): Promise<PreparedWays>;
}

/** Puts Dawn where WebGPU libraries look for it, as a browser does. */
export async function provideGpu(adapter: string | undefined): Promise<DawnGpu> {
  const dawn = await openDawn(adapter);
  const navigator = { gpu: dawn.gpu, userAgent: 'Node', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  return dawn;
}

/** Loads a package of the folder. @throws Error of the module system, which names the package */
export function loaderOf(folder: string): { load<T>(name: string): T; version(name: string): string } {
  const require = createRequire(join(folder, 'package.json'));
  return {
    load: <T>(name: string) => require(name) as T,
    version: (name) => (require(join(folder, 'node_modules', name, 'package.json')) as { version: string }).version,
  };
}

/** Does some work. @throws Error with the first fault that the device found, which libraries do not look at */
export async function checked<T>(device: GPUDevice, work: () => Promise<T>): Promise<T> {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  const ended = await work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const faults = [await device.popErrorScope(), await device.popErrorScope()];
  const fault = faults.find((each) => each !== null);
  if (fault) throw new Error(`the device refused a command: ${fault.message}`);
  if ('error' in ended) throw ended.error;
  return ended.value;
}

/**
 * The same wait as ours: until the queue has done what was submitted.
 * @param submit hands over what the library still holds back
 */
export function timeCalls(
  { wait }: DawnGpu,
  device: GPUDevice,
  call: () => void,
  calls: number,
  submit: () => Promise<void> | void,
): Promise<TimedAnswer> {
  return checked(device, async () => {
    const timer = startTimer();
    for (let i = 0; i < calls; i++) call();
    await wait(Promise.resolve(submit()).then(() => device.queue.onSubmittedWorkDone()));
    return timer();
  });
}
