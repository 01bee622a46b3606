// Finds the libraries that the bundle carries for machines that lack them: the Vulkan loader and the C++ library.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, execute } from '../../packages/setup/src/system.mjs';
import { findLibrary } from './driver.mjs';

/** The newest glibc that a library needs, as minor version: 34 for 2.34. */
export async function neededGlibc(/** @type {string} */ path) {
  const text = (await readFile(path)).toString('latin1');
  return Math.max(0, ...[...text.matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1])));
}

/**
 * The loader of this machine's own release, downloaded with its own apt into `work`; undefined without apt or network.
 */
async function downloadLoader(/** @type {string} */ work) {
  await mkdir(work, { recursive: true });
  const download = await execute('apt-get', ['download', '-q', 'libvulkan1'], { cwd: work, timeout: 60_000 });
  const name = (await readdir(work)).find((file) => file.endsWith('.deb'));
  if (download.code !== 0 || !name) return undefined;
  if ((await execute('dpkg', ['-x', name, 'root'], { cwd: work })).code !== 0) return undefined;
  const path = join(work, 'root', 'usr', 'lib', 'x86_64-linux-gnu', 'libvulkan.so.1');
  return existsSync(path) ? path : undefined;
}

/**
 * A Vulkan loader to carry: the one that runs on the most machines.
 * @param {string} work an empty folder
 * @returns {Promise<{ path: string, glibc: number } | undefined>}
 */
export async function findLoaderToCarry(work) {
  const cache = cacheFolder();
  const prefixes = (await readdir(cache).catch(() => [])).filter((name) => name.startsWith('mesa-'));
  const candidates = [
    await downloadLoader(work),
    ...findLibrary('libvulkan.so.1', { env: {} }),
    ...prefixes.map((name) => join(cache, name, 'usr', 'lib', 'x86_64-linux-gnu', 'libvulkan.so.1')),
  ];
  const found = [];
  for (const path of candidates) {
    if (path && existsSync(path)) found.push({ path, glibc: await neededGlibc(path) });
  }
  return found.sort((a, b) => a.glibc - b.glibc)[0];
}

/** This machine's C++ library, for systems without one. */
export function findCxxLibraries() {
  return ['libstdc++.so.6', 'libgcc_s.so.1'].map((name) => {
    const [path] = findLibrary(name, { env: {} });
    if (!path) throw new Error(`bundle: ${name} is not on this machine`);
    return { from: path, to: `lib/cxx/${name}` };
  });
}
