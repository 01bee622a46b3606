// Finds the Vulkan loader and driver of a machine, NVIDIA's in usual and unusual places, and says what it chose or what
// is missing. Reads files only; what must be written is returned.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Where loaders look for manifests, and where installers and containers leave NVIDIA's. */
const manifestFolders = [
  '/etc/vulkan/icd.d',
  '/usr/local/etc/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
];
const unusualFolders = [
  '/usr/share/glvnd/vulkan_icd.d',
  '/usr/share/glvnd/icd.d',
  '/usr/share/nvidia',
  '/usr/share/nvidia/vulkan/icd.d',
  '/usr/lib/x86_64-linux-gnu/GL/vulkan/icd.d',
  '/usr/local/nvidia/vulkan/icd.d',
  '/usr/local/nvidia/share/vulkan/icd.d',
  '/opt/nvidia/vulkan/icd.d',
  '/run/opengl-driver/share/vulkan/icd.d',
];
const libraryFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/lib64',
  '/usr/lib',
  '/usr/local/lib',
  '/usr/local/lib64',
];
const nvidiaFolders = [
  '/usr/lib/x86_64-linux-gnu/nvidia/current',
  '/usr/lib/x86_64-linux-gnu/nvidia',
  '/usr/lib/nvidia',
  '/usr/lib64/nvidia',
  '/usr/local/nvidia/lib64',
  '/usr/local/nvidia/lib',
  '/usr/local/cuda/compat',
  '/opt/nvidia/lib64',
  '/run/opengl-driver/lib',
  '/run/nvidia/driver/usr/lib/x86_64-linux-gnu',
];
const nvidiaDevices = ['/dev/nvidiactl', '/dev/nvidia0', '/proc/driver/nvidia/version'];

/**
 * @typedef {object} Machine what is searched: the real one by default, a fake one in tests
 * @property {string} [root] put before every path
 * @property {Record<string, string | undefined>} [env]
 * @property {string} [ldconfig] output of `ldconfig -p`
 *
 * @typedef {object} Driver
 * @property {string} description one line, what was chosen
 * @property {string} [missing] one line, what is missing and what to do
 * @property {string} [manifest] path for VK_DRIVER_FILES; undefined leaves the choice to the loader
 * @property {string} [library] library that a manifest must be written for
 * @property {string[]} folders folders for LD_LIBRARY_PATH, with what the driver's library needs
 */

/** All places of a library, by `ldconfig -p` and by folders, best first. */
export function findLibrary(/** @type {string} */ name, /** @type {Machine} */ { root = '', env = {}, ldconfig = '' }) {
  const known = ldconfig
    .split('\n')
    .map((line) => /^\s*(\S+) \((.*)\) => (\S+)$/.exec(line))
    .filter((match) => match?.[1] === name && /x86-64/.test(match[2] ?? ''))
    .map((match) => match?.[3] ?? '');
  const folders = [...(env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean), ...libraryFolders, ...nvidiaFolders];
  const paths = [...known, ...folders.map((folder) => join(folder, name))];
  return [...new Set(paths)].filter((path) => existsSync(root + path));
}

/** The manifests in these folders with the library each names; broken files are passed over. */
function readManifests(/** @type {readonly string[]} */ folders, /** @type {string} */ root) {
  const found = [];
  for (const folder of folders) {
    const names = existsSync(root + folder) ? readdirSync(root + folder) : [];
    for (const name of names.filter((candidate) => candidate.endsWith('.json')).sort()) {
      try {
        const library = JSON.parse(readFileSync(join(root + folder, name), 'utf8')).ICD?.library_path;
        if (typeof library === 'string') found.push({ path: join(folder, name), library });
      } catch {
        // Not a manifest: other programs' files lie in some of these folders too.
      }
    }
  }
  return found;
}

/** The folder a library needs in the search path, when the system does not look there. */
function extraFolders(/** @type {string} */ library, /** @type {Machine} */ { ldconfig = '' }) {
  return libraryFolders.includes(dirname(library)) || ldconfig.includes(`=> ${library}`) ? [] : [dirname(library)];
}

/**
 * Chooses a driver: what the environment names, NVIDIA's, else what the loader finds by itself.
 * @param {Machine} machine
 * @returns {Driver}
 */
export function findDriver(machine) {
  const { root = '', env = {} } = machine;
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) {
    const named = env[name];
    if (!named) continue;
    const absent = named.split(':').filter((path) => !existsSync(root + path));
    const missing = absent.length > 0 ? { missing: `${name} names ${absent.join(', ')}, which is not there` } : {};
    return { description: `driver named by ${name} (${named})`, folders: [], ...missing };
  }
  const usual = readManifests(manifestFolders, root);
  const nvidia = [...usual, ...readManifests(unusualFolders, root)].filter(({ path, library }) =>
    /nvidia/i.test(library + basename(path)),
  );
  const present = nvidiaDevices.some((path) => existsSync(root + path));
  const graphics = findLibrary('libGLX_nvidia.so.0', machine);
  const headless = findLibrary('libEGL_nvidia.so.0', machine);
  // NVIDIA's GLX library does not load without X11's; its EGL library is the same driver and does.
  const hasX11 = ['libX11.so.6', 'libXext.so.6'].every((name) => findLibrary(name, machine).length > 0);
  if (present) {
    for (const { path, library } of nvidia) {
      const places = library.startsWith('/')
        ? [library].filter((file) => existsSync(root + file))
        : findLibrary(library, machine);
      const needsX11 = basename(library).startsWith('libGLX') && !hasX11 && headless.length > 0;
      if (places.length === 0 || needsX11) continue;
      const folders = extraFolders(places[0] ?? '', machine);
      return { description: `NVIDIA's driver by ${path}`, manifest: path, folders };
    }
    const library = (hasX11 ? [...graphics, ...headless] : [...headless, ...graphics])[0];
    if (library) {
      const why = nvidia.length > 0 ? `${nvidia[0]?.path} names a library that does not load` : 'it has no manifest';
      return {
        description: `NVIDIA's driver by ${library} (${why})`,
        library,
        folders: extraFolders(library, machine),
      };
    }
  }
  const missing = missingNvidia({ present, found: [...graphics, ...headless], nvidia: nvidia.map(({ path }) => path) });
  const others = usual.filter(({ path }) => !nvidia.some((manifest) => manifest.path === path));
  if (others.length === 0) return { description: 'no Vulkan driver was found', folders: [], missing };
  const names = others.map(({ path }) => basename(path, '.json')).join(', ');
  // Without an NVIDIA device other GPUs are expected, so nothing is missing.
  return { description: `drivers of this machine: ${names}`, folders: [], ...(present && { missing }) };
}

function missingNvidia(
  /** @type {{ present: boolean, found: string[], nvidia: string[] }} */ { present, found, nvidia },
) {
  if (present) {
    const remedy = 'in a container start it with NVIDIA_DRIVER_CAPABILITIES=all (or compute,graphics,utility)';
    return `an NVIDIA GPU is there, but not libGLX_nvidia.so.0 or libEGL_nvidia.so.0, its Vulkan driver; ${remedy}`;
  }
  if (found.length > 0 || nvidia.length > 0) {
    const what = found[0] ?? nvidia[0];
    return `${what} is there, but no NVIDIA device (/dev/nvidia0, /dev/nvidiactl); hand the GPU into this container`;
  }
  return 'install a Vulkan driver, or name a manifest with VK_DRIVER_FILES';
}

/** The manifest to write for a library. */
export function manifestFor(/** @type {string} */ library) {
  return `${JSON.stringify({ file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.3.0' } })}\n`;
}

/**
 * Chooses a loader: the machine's, else the carried one.
 * @param {Machine} machine
 * @param {string} carried folder that may hold libvulkan.so.1
 * @returns {{ description: string, folders: string[] }}
 */
export function findLoader(machine, carried) {
  const [own] = findLibrary('libvulkan.so.1', machine);
  if (own) return { description: `loader ${own}`, folders: [] };
  if (existsSync(join(carried, 'libvulkan.so.1'))) return { description: 'the carried loader', folders: [carried] };
  return { description: 'NO LOADER: libvulkan.so.1 is not here; install libvulkan1', folders: [] };
}
