// Builds the private prefix: a recent lavapipe with the C library it needs, unpacked from Debian packages into the
// user's cache, and a copy of the Node binary that uses them. Nothing is installed on the machine and no root is
// needed.
import { chmod, copyFile, mkdir, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { debianSource, formatSource, osRelease, readSources, upstreamVersion } from './apt.mjs';
import { execute, exists, mustExecute, SetupError, say } from './system.mjs';

/** Newer Debian releases than the machine's, best first: testing is the more settled of the two. */
const suites = ['testing', 'unstable'];
const packages = ['mesa-vulkan-drivers', 'libvulkan1', 'patchelf'];

/** Debian's name of this processor and the file name of its program loader. */
const targets = /** @type {Record<string, { triplet: string, loader: string }>} */ ({
  x64: { triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1' },
});

/**
 * Makes sure that a prefix exists under `cache` with a Node binary of this process's version.
 * @param {string} cache
 * @returns {Promise<{ node: string, env: Record<string, string>, label: string }>}
 * @throws {SetupError} when apt, its mirror or this processor's packages are not there
 */
export async function ensurePrefix(cache) {
  const target = targets[process.arch];
  if (!target) throw new SetupError(`no packages are known for processor '${process.arch}'`);
  const ready = await newestPrefix(cache);
  const prefix = ready ?? (await buildPrefix(cache, target));
  const library = join(prefix, 'usr', 'lib', target.triplet);
  const node = await patchedNode(prefix, library, target.loader);
  const env = { VK_DRIVER_FILES: join(prefix, 'lavapipe.json') };
  return { node, env, label: `lavapipe of ${basename(prefix)} in the private prefix ${prefix}` };
}

/** The finished prefix with the highest Mesa version, if any. */
async function newestPrefix(/** @type {string} */ cache) {
  const names = (await readdir(cache).catch(() => [])).filter((name) => name.startsWith('mesa-'));
  const newest = names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  return newest === undefined ? undefined : join(cache, newest);
}

async function buildPrefix(/** @type {string} */ cache, /** @type {{ triplet: string, loader: string }} */ target) {
  for (const program of ['apt-get', 'dpkg']) {
    if ((await execute(program, ['--version'])).code !== 0) throw new SetupError(`${program} is not there`);
  }
  const codename = (await osRelease()).VERSION_CODENAME ?? '';
  const source = debianSource(await readSources(), codename);
  if (!source) throw new SetupError('apt names no Debian mirror on this machine');
  const work = join(cache, `building-${process.pid}`);
  const root = join(work, 'root');
  const failures = [];
  try {
    for (const suite of suites) {
      await rm(work, { recursive: true, force: true });
      await mkdir(root, { recursive: true });
      try {
        const version = await download(work, formatSource(source, suite), suite);
        if (Number.parseInt(version, 10) < 26) throw new SetupError(`Debian ${suite} has only Mesa ${version}`);
        await unpack(join(work, 'cache', 'archives'), root);
        const final = join(cache, `mesa-${version}`);
        await finish(root, final, target);
        await rm(final, { recursive: true, force: true });
        await rename(root, final);
        return final;
      } catch (error) {
        if (!(error instanceof SetupError)) throw error;
        failures.push(error.message);
      }
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  throw new SetupError(failures.join('; '));
}

/** Downloads the packages of `suite` with all they depend on; returns the Mesa version. */
async function download(/** @type {string} */ work, /** @type {string} */ source, /** @type {string} */ suite) {
  say(`downloading lavapipe from Debian ${suite} (about 85 MB)`);
  for (const folder of ['lists/partial', 'cache/archives/partial', 'etc']) {
    await mkdir(join(work, folder), { recursive: true });
  }
  // With an empty status file apt believes that nothing is installed, so libc comes along, which the driver needs
  // newer.
  await writeFile(join(work, 'status'), '');
  await writeFile(join(work, 'etc', 'main.sources'), source);
  await writeFile(join(work, 'apt.conf'), aptConfiguration(work));
  const apt = (/** @type {string} */ command, /** @type {string[]} */ ...args) =>
    mustExecute(command, ['-c', join(work, 'apt.conf'), '-q', ...args], {
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
  await apt('apt-get', 'update');
  await apt('apt-get', 'install', '--yes', '--download-only', '--no-install-recommends', ...packages);
  const policy = await apt('apt-cache', 'policy', 'mesa-vulkan-drivers');
  return upstreamVersion(/Candidate: (\S+)/.exec(policy)?.[1] ?? '');
}

/** Settings that keep apt inside `work`. The machine's own (proxies, retries) stay in force beneath them. */
function aptConfiguration(/** @type {string} */ work) {
  const settings = {
    'Dir::State': work,
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Dir::Cache::archives': join(work, 'cache', 'archives'),
    'Dir::Etc::SourceList': join(work, 'etc', 'main.sources'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    // A mirror that lags behind is good enough for a driver; the packages are signed all the same.
    'Acquire::Check-Valid-Until': 'false',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
    'APT::Default-Release': '',
    'APT::Sandbox::User': 'root',
    // Without a network, the reason is said here, and not that no package has the name.
    'APT::Update::Error-Mode': 'any',
    'APT::Get::List-Cleanup': 'false',
    'Debug::NoLocking': '1',
  };
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success'];
  const cleared = [...hooks, 'DPkg::Pre-Install-Pkgs', 'DPkg::Post-Invoke'].map((name) => `#clear ${name};`);
  return `${cleared.join('\n')}\n${Object.entries(settings)
    .map(([name, value]) => `${name} "${value}";`)
    .join('\n')}\n`;
}

async function unpack(/** @type {string} */ archives, /** @type {string} */ root) {
  for (const name of (await readdir(archives)).filter((file) => file.endsWith('.deb')).sort()) {
    await mustExecute('dpkg', ['-x', join(archives, name), root]);
  }
}

/** Drops what lavapipe does not use, detaches LLVM from its build paths and writes the driver's manifest. */
async function finish(
  /** @type {string} */ root,
  /** @type {string} */ final,
  /** @type {{ triplet: string, loader: string }} */ target,
) {
  const library = join(root, 'usr', 'lib', target.triplet);
  const names = await readdir(library);
  // The hardware drivers are half of the prefix, and are not for a machine whose own drivers Dawn already tried.
  const hardware = names.filter((name) => name.startsWith('libvulkan_') && name !== 'libvulkan_lvp.so');
  for (const name of [...hardware, 'gconv']) await rm(join(library, name), { recursive: true, force: true });
  for (const folder of ['usr/share', 'usr/sbin', 'etc', 'var']) {
    await rm(join(root, folder), { recursive: true, force: true });
  }
  for (const name of names.filter((file) => file.startsWith('libLLVM'))) {
    await patchelf(root, library, target.loader, ['--remove-rpath', join(library, name)]);
  }
  const manifest = {
    file_format_version: '1.0.1',
    ICD: {
      library_path: join(final, 'usr', 'lib', target.triplet, 'libvulkan_lvp.so'),
      library_arch: '64',
      api_version: '1.4.0',
    },
  };
  await writeFile(join(root, 'lavapipe.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Runs the prefix's own patchelf with the prefix's own C library, so the machine needs neither. */
function patchelf(
  /** @type {string} */ prefix,
  /** @type {string} */ library,
  /** @type {string} */ loader,
  /** @type {string[]} */ args,
) {
  const program = join(prefix, 'usr', 'bin', 'patchelf');
  return mustExecute(join(library, loader), ['--library-path', library, program, ...args]);
}

/** A copy of this process's Node binary that starts with the prefix's loader and finds its libraries first. */
async function patchedNode(/** @type {string} */ prefix, /** @type {string} */ library, /** @type {string} */ loader) {
  const folder = join(prefix, 'node', process.version);
  const node = join(folder, 'node');
  if (await exists(node)) return node;
  await mkdir(folder, { recursive: true });
  const draft = `${node}.${process.pid}.tmp`;
  try {
    await copyFile(await realpath(process.execPath), draft);
    await chmod(draft, 0o755);
    const interpreter = join(library, loader);
    // patchelf 0.18 damages a binary of this size when it sorts the sections.
    const settings = ['--set-interpreter', interpreter, '--set-rpath', library, '--force-rpath'];
    await patchelf(prefix, library, loader, ['--no-sort', ...settings, draft]);
    await mustExecute(draft, ['--version']);
    await rename(draft, node);
  } finally {
    await rm(draft, { force: true });
  }
  return node;
}
