// Drivers that are installed on the machine, and, where we are root, installing Mesa with the machine's package manager.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debianSource, formatSource, osRelease, readSources, upstreamVersion } from './apt.mjs';
import { mustExecute, SetupError, say } from './system.mjs';

const driverFolders = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
const packages = ['mesa-vulkan-drivers', 'libvulkan1'];

/** The manifests of Vulkan drivers installed on this machine. */
export async function installedDrivers() {
  const found = [];
  for (const folder of driverFolders) {
    for (const name of (await readdir(folder).catch(() => [])).sort()) found.push(join(folder, name));
  }
  return found;
}

/** The installed lavapipe's own environment: the other drivers are hidden, since one of them may crash Dawn. */
export async function installedLavapipe() {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES } = process.env;
  const named = VK_DRIVER_FILES || VK_ICD_FILENAMES;
  if (named) return { node: process.execPath, env: {}, label: `the driver named by the environment (${named})` };
  const manifest = (await installedDrivers()).find((path) => /lvp|lavapipe/.test(path));
  if (!manifest) throw new SetupError('no lavapipe is installed');
  return { node: process.execPath, env: { VK_DRIVER_FILES: manifest }, label: `the installed lavapipe (${manifest})` };
}

/**
 * Installs Mesa's drivers with apt, from the distribution or from its backports, and leaves the machine's list of sources
 * as it was.
 * @param {'backports' | 'distribution'} origin
 * @param {string} cache folder for the lists of the backports
 */
export async function installMesa(origin, cache) {
  if (process.getuid?.() !== 0) throw new SetupError('installing packages needs root');
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (/** @type {string[]} */ ...args) => mustExecute('apt-get', ['-q', '--yes', ...args], { env });
  const install = ['install', '--no-install-recommends'];
  if (origin === 'distribution') {
    await apt('update');
    const policy = await mustExecute('apt-cache', ['policy', 'mesa-vulkan-drivers'], { env });
    const version = upstreamVersion(/Candidate: (\S+)/.exec(policy)?.[1] ?? '');
    // Dawn finds no adapter in Mesa 22 (Debian 12): nothing useless is installed.
    if (!(Number.parseInt(version, 10) >= 23)) throw new SetupError(`Mesa ${version} is too old for Dawn`);
    say(`installing mesa-vulkan-drivers ${version} from the distribution`);
    await apt(...install, ...packages);
    return installedLavapipe();
  }
  const codename = (await osRelease()).VERSION_CODENAME ?? '';
  const source = debianSource(await readSources(), codename);
  if (!source || !codename) throw new SetupError('apt names no Debian mirror on this machine');
  const suite = `${codename}-backports`;
  say(`installing mesa-vulkan-drivers from ${suite}`);
  const work = join(cache, `building-${process.pid}`);
  try {
    await mkdir(join(work, 'lists', 'partial'), { recursive: true });
    await writeFile(join(work, 'main.sources'), `${formatSource(source, codename)}\n${formatSource(source, suite)}`);
    const options = [
      ...['-o', `Dir::Etc::SourceList=${join(work, 'main.sources')}`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
      ...['-o', `Dir::State::Lists=${join(work, 'lists')}`, '-o', 'APT::Sandbox::User=root'],
    ];
    await apt(...options, 'update');
    await apt(...options, ...install, '--target-release', suite, ...packages);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return installedLavapipe();
}
