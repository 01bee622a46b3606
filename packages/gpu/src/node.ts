// Opening GPUs in Node through Dawn: lists adapters, chooses one and can say why.

import { parseBytes } from './byte-sizes';
import type { Device, DeviceOptions } from './device';
import { createDevice } from './device';
import { InputError } from './errors';
import { findCandidates, nullAdapter, pickCandidate } from './node/adapters';
import { type AdapterPreference, type AdapterSummary, preferenceOf } from './node/choose-adapter';
import { freeDeviceMemory } from './node/hardware-memory';
import { waitInSlices } from './node/waiting';

export { listAdapters } from './node/adapters';
export { type AdapterPreference, type AdapterSummary, chooseAdapter, preferenceOf } from './node/choose-adapter';
export { availableBytes, type DeviceBudget, deviceBudget, type HostMemory } from './node/device-budget';
export { freeDeviceMemory, type MemorySources } from './node/hardware-memory';
export { deviceRemarks } from './node/remarks';

/** Dawn on one adapter, for libraries that take `navigator.gpu`. */
export interface DawnGpu {
  /** Answers each request for an adapter with the chosen one, which opens one device. Keep it as long as that lives. */
  readonly gpu: GPU;
  /** The chosen adapter. */
  readonly summary: AdapterSummary;
  /** Waits for a promise of the device as ours wait: on a software adapter, without taking a core from it. */
  readonly wait: <T>(promise: Promise<T>) => Promise<T>;
}

/** How {@link openDevice} chooses and opens an adapter. */
export interface OpenOptions extends DeviceOptions {
  /** Which adapter; default: CROSSGATE_ADAPTER, else the first hardware adapter, else a software one. */
  readonly adapter?: AdapterPreference;
  /** False removes Dawn's bounds checks in shaders. Default true. */
  readonly robustness?: boolean;
}

/** The memory budget that the environment sets. @throws InputError naming the variable. */
function environmentBudget(): number | undefined {
  const text = process.env.CROSSGATE_MEMORY_BUDGET?.trim();
  if (text === undefined || text === '') return undefined;
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InputError(`CROSSGATE_MEMORY_BUDGET: ${(error as Error).message}`, { code: 'memory.size' });
  }
}

/** Whether the environment asks for debugging. @throws InputError naming the variable. */
function environmentDebug(): boolean {
  const text = process.env.CROSSGATE_DEBUG?.trim() ?? '';
  if (text !== '' && text !== '0' && text !== '1')
    throw new InputError(`CROSSGATE_DEBUG is ${JSON.stringify(text)}`, { fix: 'set it to 1, or unset it' });
  return text === '1';
}

/**
 * The adapter that {@link openDevice} would open.
 * @throws NoAdapterError as that does
 */
export async function findAdapter(preference?: AdapterPreference): Promise<AdapterSummary> {
  return pickCandidate(await findCandidates(true, preference !== undefined), preference).summary;
}

/**
 * Dawn's own interface to the adapter that {@link openDevice} would open, with WebGPU's constants (`GPUBufferUsage`, …) as
 * globals: what other WebGPU libraries expect of a browser.
 * @throws NoAdapterError as {@link openDevice} does
 */
export async function openDawn(preference?: AdapterPreference): Promise<DawnGpu> {
  const { instance, adapter, summary } = pickCandidate(
    await findCandidates(true, preference !== undefined),
    preference,
  );
  const gpu = {
    // Dawn crashes the process when its instance is collected while a device lives, so this keeps it.
    instance,
    requestAdapter: () => Promise.resolve(adapter),
    getPreferredCanvasFormat: () => 'bgra8unorm',
    wgslLanguageFeatures: instance.wgslLanguageFeatures,
  } as unknown as GPU;
  return { gpu, summary, wait: summary.type === 'software' ? waitInSlices : (promise) => promise };
}

/**
 * Opens a device through Dawn. Its memory budget falls back to CROSSGATE_MEMORY_BUDGET, e.g. `6GiB`, and on hardware to
 * {@link freeDeviceMemory}; it is infinite where that knows nothing. `debug` falls back to CROSSGATE_DEBUG=1.
 *
 * @throws NoAdapterError when no adapter fits, listing what was found, and when Dawn's add-on does not load; InputError
 *   for a budget that is no size.
 */
export async function openDevice(options: OpenOptions = {}): Promise<Device> {
  const givenBudget = options.memoryBudget ?? environmentBudget();
  const debug = options.debug ?? environmentDebug();
  // Dawn gives back what ended between two turns of the event loop: devices opened in a row would pile up without one.
  await new Promise((resolve) => setImmediate(resolve));
  const preference = preferenceOf(options.adapter, process.env.CROSSGATE_ADAPTER);
  const candidates = await findCandidates(options.robustness ?? true, preference !== undefined);
  const { instance, adapter, summary } = pickCandidate(candidates, preference);
  const wait = summary.type === 'software' ? waitInSlices : undefined;
  const memoryBudget =
    givenBudget ?? (summary.type === 'hardware' ? ((await freeDeviceMemory(summary)) ?? undefined) : undefined);
  const all = { ...options, debug, ...(memoryBudget !== undefined && { memoryBudget }) };
  // Dawn crashes the process when its instance is collected while a device lives, so the device keeps it.
  return createDevice(instance, adapter, { ...all, keepAlive: instance, wait });
}

/**
 * Opens Dawn's null backend: it checks commands and shaders as for hardware and runs nothing, so results are undefined.
 * For measuring what the processor does for a dispatch, and for compiling what other adapters would run.
 *
 * @throws NoAdapterError when Dawn's add-on does not load
 */
export async function openNullDevice(options: DeviceOptions = {}): Promise<Device> {
  const { instance, adapter } = await nullAdapter();
  return createDevice(instance, adapter, { ...options, keepAlive: instance });
}
