/** The adapters that Dawn finds on this machine. */
import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';
import { isSoftwareAdapter, readCapabilities } from '../capabilities';
import { immediateSize } from '../device';
import { NoAdapterError } from '../errors';
import { type AdapterPreference, type AdapterSummary, chooseAdapter } from './choose-adapter';
import { loadDawn } from './dawn';

const backends: Readonly<Record<string, readonly string[]>> = {
  darwin: ['metal'],
  win32: ['d3d12', 'vulkan'],
  linux: ['vulkan'],
};

type Create = typeof import('webgpu')['create'];

function createInstance(create: Create, backend: string, robustness: boolean, adapter?: string): GPU {
  const enabled = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia', ...(robustness ? [] : ['disable_robustness'])];
  // One option of each kind: Dawn takes the last.
  return create([
    `backend=${backend}`,
    `enable-dawn-features=${enabled.join(',')}`,
    'disable-dawn-features=timestamp_quantization',
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
  ]);
}

/** An adapter with what is needed to open it. */
export interface Candidate {
  readonly instance: GPU;
  readonly adapter: GPUAdapter;
  readonly summary: AdapterSummary;
  /** False for a second adapter of a name: Dawn finds adapters by name, and `adapter` is the first. */
  readonly reachable: boolean;
}

/** Dawn's name of an adapter: it turns every mark of the driver's name into a dash. */
const dashed = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/** No adapter is called so, and Dawn answers a name that it does not find with those that there are. */
const NOBODY = 'a name of no adapter';

/** Names of all adapters of a backend as the driver gives them, equal ones included. */
async function driverNames(create: Create, backend: string): Promise<string[]> {
  const instance = createInstance(create, backend, true, NOBODY);
  let message = '';
  await instance.requestAdapter({ powerPreference: 'high-performance' }).catch((error: unknown) => {
    message = error instanceof Error ? error.message : String(error);
  });
  const entries = message.matchAll(/^ *\* *backend: '([^']*)', name: '(.*)'$/gm);
  return [...entries].filter(([, of]) => of === backend).map(([, , name = '']) => name);
}

/**
 * Finds adapters: those that Dawn prefers first, then the others in the driver's order.
 * @param every false for those that Dawn prefers alone, at most three: the default choice is among them, and the drivers
 *   start, and print their warnings, once less
 * @throws NoAdapterError when Dawn's add-on does not load
 */
export async function findCandidates(robustness: boolean, every = true): Promise<Candidate[]> {
  const { create } = await loadDawn();
  const candidates: Candidate[] = [];
  for (const backend of backends[process.platform] ?? ['vulkan']) {
    const instance = createInstance(create, backend, robustness);
    const found: { instance: GPU; adapter: GPUAdapter }[] = [];
    const add = (from: GPU, adapter: GPUAdapter | null) => {
      const known = found.some((other) => other.adapter.info.device === adapter?.info.device);
      if (adapter !== null && !known) found.push({ instance: from, adapter });
    };
    for (const options of [
      { powerPreference: 'high-performance' },
      { powerPreference: 'low-power' },
      { forceFallbackAdapter: true },
    ] as const) {
      add(instance, await instance.requestAdapter(options));
    }
    // Preferences reach three adapters at most.
    const names = every ? await driverNames(create, backend) : [];
    const isFound = (name: string) => found.some(({ adapter }) => dashed(adapter.info.device) === dashed(name));
    for (const name of names.filter((each) => !isFound(each))) {
      const own = createInstance(create, backend, robustness, name);
      add(own, await own.requestAdapter());
    }
    for (const each of found) {
      const summary = summarize(each.instance, each.adapter, backend);
      const equal = names.filter((name) => dashed(name) === dashed(each.adapter.info.device)).length;
      candidates.push({ ...each, summary, reachable: true });
      for (let ordinal = 2; ordinal <= equal; ordinal++) {
        const numbered = { ...summary, name: `${summary.name}#${ordinal}` };
        // Equal software adapters are one program on the same cores.
        candidates.push({ ...each, summary: numbered, reachable: summary.type === 'software' });
      }
    }
  }
  return candidates;
}

/**
 * Dawn's null backend, which takes every command and shader that a GPU with WebGPU's default limits would, checks them,
 * and runs nothing. It is never among the candidates.
 * @throws NoAdapterError when Dawn's add-on does not load
 */
export async function nullAdapter(): Promise<Pick<Candidate, 'instance' | 'adapter'>> {
  const { create } = await loadDawn();
  const instance = createInstance(create, 'null', true);
  const adapter = await instance.requestAdapter();
  if (adapter === null) throw new NoAdapterError("Dawn's add-on was built without the null backend");
  return { instance, adapter };
}

function summarize(instance: GPU, adapter: GPUAdapter, backend: string): AdapterSummary {
  const capabilities = readCapabilities(adapter, immediateSize(instance, adapter));
  return {
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
}

/**
 * Every adapter that Dawn finds on this machine, in the order of their numbers.
 * @throws NoAdapterError when Dawn's add-on does not load
 */
export async function listAdapters(): Promise<AdapterSummary[]> {
  return (await findCandidates(true)).map(({ summary }) => summary);
}

/** Variables that name the drivers to use, in place of those that are installed; the loader takes the first. */
const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/** What to do where there is no GPU. */
export function noGpuFix(
  platform: string = process.platform,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (platform === 'darwin') return 'Dawn needs macOS 13 or newer with Metal';
  if (platform === 'win32') return 'install a GPU driver with Direct3D 12 or Vulkan';
  const variable = DRIVER_VARIABLES.find((name) => env[name]);
  if (variable !== undefined) {
    const files = (env[variable] ?? '').split(delimiter);
    const missing = files.filter((file) => !existsSync(file));
    const found = missing.length > 0 ? `${missing.join(', ')} is not there` : 'it names no driver that works here';
    return `unset ${variable}, or correct it: ${found}`;
  }
  const software = 'or fetch a software driver: crossgate setup';
  return `install a Vulkan driver and the Vulkan loader (Debian, Ubuntu: mesa-vulkan-drivers and libvulkan1), ${software}`;
}

/** The adapter that is meant. @throws NoAdapterError when none fits, listing what was found */
export function pickCandidate<Found extends Pick<Candidate, 'summary' | 'reachable'>>(
  candidates: readonly Found[],
  preference: AdapterPreference | undefined,
): Found {
  const summaries = candidates.map(({ summary }) => summary);
  const { chosen, reason } = chooseAdapter(summaries, preference);
  const candidate = candidates.find(({ summary }) => summary === chosen);
  if (candidate === undefined) {
    const found = summaries.map(({ name, type }, number) => `${number} ${name} (${type})`).join(', ') || 'none';
    const fix = summaries.length > 0 ? 'ask for one of these with --adapter or CROSSGATE_ADAPTER' : noGpuFix();
    throw new NoAdapterError(`no usable GPU: ${reason} (found: ${found})`, { fix });
  }
  if (!candidate.reachable) {
    const { name } = candidate.summary;
    throw new NoAdapterError(`${name} cannot be opened: of adapters with the same name, Dawn opens the first`, {
      fix:
        'make it the first or the only one that the driver shows: hand only this card into the container, or set ' +
        "DRI_PRIME where Mesa's device selection is installed",
    });
  }
  return candidate;
}
