// Finds or builds a GPU for Dawn on this machine: the Node binary to start and the environment to start it with.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { installedDrivers, installedLavapipe } from './installed.mjs';
import { ensurePrefix } from './prefix.mjs';
import { isRecentMesa, probe } from './probe.mjs';
import { ensureSwiftShader } from './swiftshader.mjs';
import { cacheFolder, exists, readJson, SetupError, say, withLock, writeJson } from './system.mjs';

/**
 * What the set-up settled on. Start `node` with `env` added to the environment.
 * @typedef {{ kind: Kind, node: string, env: Record<string, string>, label: string, adapter: string,
 *   software: boolean, mesa: string | null, f16: boolean, subgroupMatrix: boolean, forced: boolean,
 *   machine: string }} Gpu
 * @typedef {'hardware' | 'system' | 'prefix' | 'installed' | 'swiftshader'} Kind
 * @typedef {{ node: string, env: Record<string, string>, label: string }} Candidate
 */

/** No way of getting a GPU works on this machine. */
export class NoGpuError extends Error {
  /** @override */
  name = 'NoGpuError';
}

/** Dawn's add-on does not load: a driver is not what is missing. */
class AddOnError extends SetupError {
  /** @override */
  name = 'AddOnError';

  /** Whether another C library than the machine's may help. */
  get needsLibrary() {
    return /GLIBC(XX)?_[\d.]+' not found/.test(this.message);
  }

  /** What to do about it. */
  get advice() {
    const needed =
      'It needs glibc 2.34 and the C++ library of GCC 12 or newer, as Debian 12 and Ubuntu 22.04 have them';
    const damaged = 'Delete node_modules and run again; on a system without glibc, such as Alpine, use another';
    return `That is no fault of a driver. ${this.needsLibrary ? needed : damaged}.`;
  }
}

/**
 * The ways of getting a GPU, best first. `system` takes an installed software driver only when it has Mesa 26 or newer,
 * `installed` takes any.
 * @type {Kind[]}
 */
export const kinds = ['hardware', 'system', 'prefix', 'installed', 'swiftshader'];

/** @returns {Promise<Candidate>} */
async function prepare(/** @type {Kind} */ kind, /** @type {string} */ cache) {
  if (kind === 'hardware') return { node: process.execPath, env: {}, label: 'the drivers of this machine' };
  if (kind === 'system' || kind === 'installed') return installedLavapipe();
  if (process.platform !== 'linux') throw new SetupError(`nothing is installed on ${process.platform}`);
  return kind === 'prefix' ? ensurePrefix(cache) : ensureSwiftShader(cache);
}

/** Why `found` is not what `kind` promises; empty when it is. */
function objection(/** @type {Kind} */ kind, /** @type {import('./probe.mjs').Probe} */ found) {
  if (!found.adapter) return found.reason;
  // Dawn's own backends on macOS and Windows are all there is, so a software adapter of theirs will do.
  if (kind === 'hardware' && found.software && process.platform === 'linux')
    return `only a software adapter (${found.adapter.description})`;
  const recent = kind === 'system' || kind === 'prefix';
  if (recent && !isRecentMesa(found.mesa)) return `Mesa 26 or newer is needed, this is ${found.adapter.description}`;
  return '';
}

/** Tries one way for real. @returns {Promise<Gpu>} */
async function attempt(/** @type {Kind} */ kind, /** @type {string} */ cache, /** @type {string} */ machine) {
  const { node, env, label } = await prepare(kind, cache);
  const found = await probe({ node, env });
  if (!found.addOn) throw new AddOnError(`Dawn's add-on does not load: ${found.reason}`);
  const problem = objection(kind, found);
  if (problem || !found.adapter) throw new SetupError(problem);
  const { mesa, f16, subgroupMatrix, software, adapter } = found;
  const name = adapter.description || adapter.name || adapter.vendor;
  return { kind, node, env, label, adapter: name, software, mesa, f16, subgroupMatrix, forced: false, machine };
}

/**
 * What the choice depends on: when any of this changes, the choice is made again.
 * @returns {Promise<string>}
 */
export async function describeMachine() {
  const devices = [
    ...(await readdir('/dev/dri').catch(() => [])),
    ...(await readdir('/dev').catch(() => [])).filter((name) => /^(nvidia\d|dxg$|kgsl)/.test(name)),
  ];
  const { VK_DRIVER_FILES = '', VK_ICD_FILENAMES = '' } = process.env;
  const drivers = await installedDrivers();
  return JSON.stringify([
    process.execPath,
    process.version,
    devices.sort(),
    drivers,
    VK_DRIVER_FILES,
    VK_ICD_FILENAMES,
  ]);
}

/** True when an earlier choice still holds: made on this machine as it is now, and all its files are there. */
export async function stillHolds(/** @type {Gpu | undefined} */ gpu, /** @type {string} */ machine) {
  if (!gpu || typeof gpu !== 'object' || !gpu.node || gpu.machine !== machine) return false;
  const paths = [gpu.node, ...Object.values(gpu.env)];
  return (await Promise.all(paths.map(exists))).every(Boolean);
}

/** A search in vain, as it is kept. @typedef {{ failure: string, at: string, machine: string }} Failure */

/**
 * Why a kept search says that there is no GPU; undefined when it found one, or the machine has changed since.
 * @param {Failure | undefined} kept
 * @param {string} machine
 * @param {string} [command] that sets up, to name it
 */
export function keptFailure(kept, machine, command = 'npm run setup --') {
  if (!kept || typeof kept.failure !== 'string' || kept.machine !== machine) return undefined;
  return `${kept.failure} (tried on ${kept.at}; to try again: ${command} --refresh)`;
}

const choiceFile = () => join(cacheFolder(), `choice-${process.version}-${process.arch}.json`);

/** Inside a program that this set-up started, its own variables are no property of the machine. */
function forgetOwnVariables() {
  for (const name of ['VK_DRIVER_FILES', 'LD_LIBRARY_PATH']) {
    if (process.env[name]?.startsWith(cacheFolder())) delete process.env[name];
  }
}

/**
 * What an earlier set-up settled on, where it still holds. Looks at files only.
 * @returns {Promise<Gpu | undefined>}
 */
export async function keptGpu() {
  const [gpu, machine] = [await readJson(choiceFile()), await describeMachine()];
  return (await stillHolds(gpu, machine)) ? gpu : undefined;
}

/**
 * Finds a GPU, making a software one where there is none. The outcome is kept per user and checked again cheaply, so
 * only the first call on a machine takes long.
 * @param {{ force?: Kind | undefined, refresh?: boolean, command?: string }} [options] `force` tries that way alone and
 *   keeps it; `refresh` forgets the earlier outcome, forced or not; `command` is named where one is to be repeated
 * @returns {Promise<{ gpu: Gpu, fresh: boolean }>} `fresh` when the choice was made now
 * @throws {NoGpuError} when nothing works, now or in the search that is kept; the message says what to do
 */
export async function resolveGpu({ force, refresh = false, command } = {}) {
  const cache = cacheFolder();
  forgetOwnVariables();
  const file = choiceFile();
  const kept = async () => {
    if (force || refresh) return undefined;
    const [outcome, machine] = [await readJson(file), await describeMachine()];
    const failure = keptFailure(outcome, machine, command);
    if (failure) throw new NoGpuError(failure);
    return (await stillHolds(outcome, machine)) ? outcome : undefined;
  };
  const earlier = await kept();
  if (earlier) return { gpu: earlier, fresh: false };
  const onWait = () => say('waiting for another set-up to finish');
  return withLock(
    join(cache, 'lock'),
    async () => {
      const meanwhile = await kept();
      if (meanwhile) return { gpu: meanwhile, fresh: false };
      await removeLeftovers(cache);
      const gpu = await choose(force ? [force] : kinds, cache).catch(async (error) => {
        // A broken add-on is found in no time, and whoever mends it need not tell us.
        const quick = error.cause instanceof AddOnError && !error.cause.needsLibrary;
        if (error instanceof NoGpuError && !quick && !force) {
          const failure = { failure: error.message, at: new Date().toISOString(), machine: await describeMachine() };
          await writeJson(file, failure);
        }
        throw error;
      });
      gpu.forced = force !== undefined;
      gpu.machine = await describeMachine();
      await writeJson(file, gpu);
      return { gpu, fresh: true };
    },
    onWait,
  );
}

/** Removes what a set-up that was killed left behind; called with the lock held. */
async function removeLeftovers(/** @type {string} */ cache) {
  const names = await readdir(cache).catch(() => []);
  for (const name of names.filter((entry) => entry.startsWith('building-'))) {
    await rm(join(cache, name), { recursive: true, force: true });
  }
}

/** @param {Kind[]} ways @param {string} cache */
async function choose(ways, cache) {
  /** @type {AddOnError | undefined} */
  let addOn;
  for (const kind of process.platform === 'linux' ? ways : ways.slice(0, 1)) {
    // Only the prefix brings a C library of its own.
    if (addOn && kind !== 'prefix') continue;
    try {
      const gpu = await attempt(kind, cache, '');
      say(`${kind}: using ${gpu.label}: ${gpu.adapter}`);
      if (kind === 'swiftshader') say(`this is the slowest way. ${advice()}`);
      return gpu;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      say(`${kind}: ${error.message}`);
      if (error instanceof AddOnError) addOn = error;
      if (addOn && !addOn.needsLibrary) break;
    }
  }
  if (!addOn) throw new NoGpuError(`no usable GPU. ${advice()}`);
  throw new NoGpuError(`no usable GPU. ${addOn.message}. ${addOn.advice}`, { cause: addOn });
}

/** What to install where nothing works. */
export function advice(platform = process.platform) {
  if (platform === 'darwin') return 'Dawn needs macOS 13 or newer with Metal.';
  if (platform === 'win32') return 'Dawn needs a GPU driver with Direct3D 12.';
  return [
    'Install the Vulkan driver of your GPU, or a software driver:',
    'Debian and Ubuntu: sudo apt-get install mesa-vulkan-drivers libvulkan1',
    '(Debian 12: sudo apt-get install -t bookworm-backports mesa-vulkan-drivers, its own is too old);',
    'Fedora: sudo dnf install mesa-vulkan-drivers vulkan-loader;',
    'Arch: sudo pacman -S vulkan-swrast vulkan-icd-loader.',
    'Mesa 25 works, Mesa 26 is faster.',
  ].join(' ');
}
