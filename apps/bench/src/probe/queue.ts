/// <reference path="../wgsl.d.ts" />
/** What a submission and a dispatch cost on the way to the device and back, and where its memory ends. */
import { type Device, defineKernel, OutOfMemoryError } from '@crossgate/gpu';
import copySource from '../ceilings/copy.wgsl';
import { median } from '../measure';

/** Next to no work: what is left is the way to the device. */
const smallCopy = defineKernel({
  name: 'probe-copy',
  source: copySource,
  bindings: { x: { access: 'read', type: 'vec4<f32>' }, out: { access: 'read_write', type: 'vec4<f32>' } },
  parameters: { values: 'u32' },
  constants: { ITEMS: 1, BLOCKED: false, WORKGROUP_SIZE: 64 },
});

/** Times of work that is none, by the wall clock. */
export interface QueueResult {
  /** Median milliseconds from one dispatch until the host knows that it has run. */
  readonly roundTripMs: number;
  /** Milliseconds until the host has handed a submission over, by how many are not waited for. */
  readonly submitMs: readonly { readonly inFlight: number; readonly ms: number }[];
  /** Microseconds of a dispatch in a row of dispatches of which each reads what the one before wrote. */
  readonly dispatchMicroseconds: number;
}

/** Measures submissions, up to `deepest` of them at once. */
export async function probeQueue(device: Device, deepest: number): Promise<QueueResult> {
  const { recorder } = device;
  using _ = device.step();
  const [a, b] = [device.memory.allocate(1024), device.memory.allocate(1024)];
  let turn = 0;
  const dispatch = () =>
    recorder.dispatch(smallCopy, {
      bindings: turn++ % 2 === 0 ? { x: a, out: b } : { x: b, out: a },
      parameters: { values: 64 },
      workgroups: 1,
    });
  const timed = async (work: () => void): Promise<{ handed: number; done: number }> => {
    const start = performance.now();
    work();
    const handed = performance.now() - start;
    await recorder.synchronize();
    return { handed, done: performance.now() - start };
  };
  await timed(dispatch);
  const trips: number[] = [];
  for (let i = 0; i < 9; i++) trips.push((await timed(dispatch)).done);
  const submitMs: { inFlight: number; ms: number }[] = [];
  for (let inFlight = 1; inFlight <= deepest; inFlight *= 4) {
    const { handed } = await timed(() => {
      for (let i = 0; i < inFlight; i++) {
        dispatch();
        recorder.flush();
      }
    });
    submitMs.push({ inFlight, ms: handed / inFlight });
  }
  const count = 8 * deepest;
  const { done } = await timed(() => {
    for (let i = 0; i < count; i++) dispatch();
  });
  return {
    roundTripMs: median(trips.sort((x, y) => x - y)),
    submitMs,
    dispatchMicroseconds: (1000 * done) / count,
  };
}

/** How much memory a device gave. */
export interface MemoryResult {
  /** Bytes that were allocated and written at once. */
  readonly bytes: number;
  /** What ended it: the limit of the measurement, or the device with this message. */
  readonly end: 'limit' | { readonly message: string };
}

/**
 * Allocates and writes buffers until the device refuses one or `limit` bytes are reached, and frees them.
 *
 * @param device without a budget of its own. It may be of no use afterwards.
 */
export async function probeMemory(device: Device, limit: number, signal?: AbortSignal): Promise<MemoryResult> {
  const { memory, recorder, capabilities } = device;
  const chunk = Math.min(2 ** 30, capabilities.limits.maxBufferSize, limit);
  const held: ReturnType<typeof memory.persistent>[] = [];
  let bytes = 0;
  try {
    while (bytes + chunk <= limit && !signal?.aborted) {
      held.push(memory.persistent(chunk, 'probe'));
      recorder.clear(held.at(-1)!);
      await recorder.synchronize();
      bytes += chunk;
    }
    return { bytes, end: 'limit' };
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    return { bytes, end: { message: error.message } };
  } finally {
    for (const slice of held) memory.free(slice);
  }
}
