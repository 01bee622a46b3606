// Opening GPUs in Node through Dawn: lists adapters, chooses one and can say why.
import { create, globals } from 'webgpu';
import type { Capabilities, MatrixConfiguration } from './capabilities';
import { isSoftwareAdapter, readCapabilities } from './capabilities';
import type { Device, DeviceOptions } from './device';
import { createDevice, immediateSize } from './device';
import { InputError, NoAdapterError } from './errors';
import { parseBytes } from './memory';

export { availableBytes, type DeviceBudget, deviceBudget, type HostMemory } from './node/device-budget';

/** What can be known of an adapter without opening it. */
export interface AdapterSummary {
  /** Human-readable device name, e.g. `llvmpipe (LLVM 20, 256 bits)`. */
  readonly name: string;
  /** Maker of the device, e.g. `nvidia`. */
  readonly vendor: string;
  /** Driver and version as Dawn describes it. */
  readonly driver: string;
  /** Dawn backend, e.g. `vulkan`. */
  readonly backend: string;
  /** `software` when the "GPU" is a program on the CPU. */
  readonly type: 'hardware' | 'software';
  /** WebGPU features that it offers, sorted. */
  readonly features: readonly string[];
  /** Smallest and largest subgroup; [1, 1] without subgroup support. */
  readonly subgroupSize: readonly [number, number];
  /** Shapes that its matrix units multiply. */
  readonly matrix: readonly MatrixConfiguration[];
  /** All that kernels can know of it. */
  readonly capabilities: Capabilities;
}

/** `software`, `hardware`, or a part of the adapter's name. */
export type AdapterPreference = string;

/** How {@link openDevice} chooses and opens an adapter. */
export interface OpenOptions extends DeviceOptions {
  /** Which adapter; default: the fastest, hardware before software. Falls back to CROSSGATE_ADAPTER. */
  readonly adapter?: AdapterPreference;
  /** False removes Dawn's bounds checks in shaders. Default true. */
  readonly robustness?: boolean;
}

const backends: Readonly<Record<string, readonly string[]>> = {
  darwin: ['metal'],
  win32: ['d3d12', 'vulkan'],
  linux: ['vulkan'],
};

function createInstance(backend: string, robustness: boolean): GPU {
  Object.assign(globalThis, globals);
  const enabled = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', ...(robustness ? [] : ['disable_robustness'])];
  // One option of each kind: Dawn takes the last.
  return create([
    `backend=${backend}`,
    `enable-dawn-features=${enabled.join(',')}`,
    'disable-dawn-features=timestamp_quantization',
  ]);
}

interface Candidate {
  readonly instance: GPU;
  readonly adapter: GPUAdapter;
  readonly summary: AdapterSummary;
}

async function findCandidates(robustness: boolean): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const backend of backends[process.platform] ?? ['vulkan']) {
    const instance = createInstance(backend, robustness);
    for (const options of [
      { powerPreference: 'high-performance' },
      { powerPreference: 'low-power' },
      { forceFallbackAdapter: true },
    ] as const) {
      const adapter = await instance.requestAdapter(options);
      if (adapter === null) continue;
      const capabilities = readCapabilities(adapter, immediateSize(instance, adapter));
      const summary: AdapterSummary = {
        name: capabilities.name,
        vendor: capabilities.vendor,
        driver: capabilities.driver,
        backend,
        type: isSoftwareAdapter(adapter.info) ? 'software' : 'hardware',
        features: capabilities.features,
        subgroupSize: capabilities.subgroupSize,
        matrix: capabilities.matrixConfigurations,
        capabilities,
      };
      const known = candidates.some(({ summary: s }) => s.name === summary.name && s.backend === summary.backend);
      if (!known) candidates.push({ instance, adapter, summary });
    }
  }
  return candidates;
}

/** Every adapter that Dawn finds on this machine. */
export async function listAdapters(): Promise<AdapterSummary[]> {
  return (await findCandidates(true)).map(({ summary }) => summary);
}

/**
 * Picks an adapter: hardware before software unless asked, the first of equals as the driver ranks them.
 * Pure, so the reason can be shown before anything is opened.
 */
export function chooseAdapter(
  adapters: readonly AdapterSummary[],
  preference?: AdapterPreference,
): { chosen: AdapterSummary | null; reason: string } {
  if (adapters.length === 0) return { chosen: null, reason: 'no adapter was found' };
  if (preference === 'hardware' || preference === 'software') {
    const chosen = adapters.find(({ type }) => type === preference) ?? null;
    return { chosen, reason: chosen ? `${preference} was asked for` : `no ${preference} adapter was found` };
  }
  if (preference !== undefined) {
    const wanted = preference.toLowerCase();
    const chosen = adapters.find(({ name }) => name.toLowerCase().includes(wanted)) ?? null;
    return {
      chosen,
      reason: chosen ? `its name contains "${preference}"` : `no adapter's name contains "${preference}"`,
    };
  }
  const hardware = adapters.find(({ type }) => type === 'hardware');
  return hardware
    ? { chosen: hardware, reason: 'the fastest hardware adapter' }
    : {
        chosen: adapters[0]!,
        reason: 'no hardware adapter was found, so this software one is used: expect it to be slow',
      };
}

/** The memory budget that the environment sets. @throws InputError naming the variable. */
function environmentBudget(): number | undefined {
  const text = process.env.CROSSGATE_MEMORY_BUDGET;
  if (text === undefined || text === '') return undefined;
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InputError(`CROSSGATE_MEMORY_BUDGET: ${(error as Error).message}`, { code: 'memory.size' });
  }
}

/**
 * Opens a device through Dawn. Its memory budget falls back to CROSSGATE_MEMORY_BUDGET, e.g. `6GiB`.
 *
 * @throws NoAdapterError when no adapter fits, listing what was found; InputError for a budget that is no size.
 */
export async function openDevice(options: OpenOptions = {}): Promise<Device> {
  const memoryBudget = options.memoryBudget ?? environmentBudget();
  const candidates = await findCandidates(options.robustness ?? true);
  const preference = options.adapter ?? process.env.CROSSGATE_ADAPTER;
  const { chosen, reason } = chooseAdapter(
    candidates.map(({ summary }) => summary),
    preference,
  );
  const candidate = candidates.find(({ summary }) => summary === chosen);
  if (candidate === undefined) {
    const found = candidates.map(({ summary }) => `${summary.name} (${summary.type})`).join(', ') || 'none';
    throw new NoAdapterError(
      `no usable GPU: ${reason} (found: ${found}). Install a Vulkan driver, or mesa-vulkan-drivers 26 or newer for software Vulkan.`,
    );
  }
  // Dawn crashes the process when its instance is collected while a device lives, so the device keeps it.
  const wait = candidate.summary.type === 'software' ? waitInSlices : undefined;
  const all = { ...options, ...(memoryBudget !== undefined && { memoryBudget }) };
  return createDevice(candidate.instance, candidate.adapter, { ...all, keepAlive: candidate.instance, wait });
}

const sliceMilliseconds = 1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;
/** One sleeper serves all waits: waits that follow each other within a turn must not each add theirs. */
let sleeping = false;

/**
 * Waits for a promise of Dawn without keeping a core busy. Dawn polls the device in every turn of the event loop, which
 * takes a core away from a software adapter; a short sleep in each turn gives it back.
 */
async function waitInSlices<T>(promise: Promise<T>): Promise<T> {
  waiting++;
  if (!sleeping) {
    sleeping = true;
    setImmediate(sleepWhileWaiting);
  }
  try {
    return await promise;
  } finally {
    waiting--;
  }
}

function sleepWhileWaiting(): void {
  sleeping = waiting > 0;
  if (!sleeping) return;
  Atomics.wait(sleeper, 0, 0, sliceMilliseconds);
  setImmediate(sleepWhileWaiting);
}
