// Brings a checkout up to date: dependencies when a manifest changed, builds and declarations when a source changed. All
// are remembered in stamps, so that a second run only reads file times.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { withLock } from '../../packages/setup/src/system.mjs';
import { root, workspaceFolders } from './layout.mjs';
import { runPnpm } from './start.mjs';

const installStamp = (/** @type {string} */ folder) => join(folder, 'node_modules', '.crossgate-install');
const buildStamp = (/** @type {string} */ folder) => join(folder, '.cache', 'build');
const declarationsStamp = (/** @type {string} */ folder) => join(folder, '.cache', 'declarations-of-build');

/** A hash of everything that decides what `pnpm install` puts into node_modules. */
export async function installKey(folder = root) {
  const names = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', '.npmrc'];
  const paths = [...names, ...(await workspaceFolders(folder)).map((path) => join(path, 'package.json'))];
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const path of paths) {
    const bytes = await readFile(join(folder, path)).catch(() => Buffer.alloc(0));
    hash.update(`${path} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** A hash of the names, sizes and times of every file that a build reads. */
export async function buildKey(folder = root) {
  const paths = [
    'tsconfig.base.json',
    'tools/tsup.base.ts',
    'pnpm-lock.yaml',
    'turbo.json',
    'tsconfig.declarations.json',
  ];
  for (const path of await workspaceFolders(folder)) {
    paths.push(join(path, 'package.json'), join(path, 'tsup.config.ts'), join(path, 'tsconfig.json'));
    paths.push(...(await filesUnder(folder, join(path, 'src'))), ...(await filesUnder(folder, join(path, 'page'))));
  }
  const bench = ['tsup.worker.config.ts', 'verify.build.ts'].map((name) => join('apps', 'bench', name));
  paths.push(...bench, ...(await filesUnder(folder, join('packages', 'kernels', 'test'))));
  const hash = createHash('sha256');
  for (const path of paths) {
    const info = await stat(join(folder, path)).catch(() => null);
    hash.update(`${path} ${info?.size} ${info?.mtimeMs}\n`);
  }
  return hash.digest('hex');
}

async function filesUnder(/** @type {string} */ folder, /** @type {string} */ path) {
  const entries = await readdir(join(folder, path), { recursive: true, withFileTypes: true }).catch(() => []);
  // Tests are no part of a build, but the kernels' are: `crossgate-bench` carries them, and their benchmarks.
  const built = (/** @type {string} */ name) => !name.endsWith('.test.ts') || path.includes('kernels');
  const files = entries.filter((entry) => entry.isFile() && built(entry.name));
  return files.map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name))).sort();
}

const readStamp = (/** @type {string} */ path) => readFile(path, 'utf8').catch(() => '');

async function writeStamp(/** @type {string} */ path, /** @type {string} */ key) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, key);
}

async function dependenciesCurrent() {
  return (await readStamp(installStamp(root))) === (await installKey());
}

async function buildCurrent() {
  if ((await readStamp(buildStamp(root))) !== (await buildKey())) return false;
  // Somebody may have removed an output.
  for (const path of await workspaceFolders()) {
    const output = await stat(join(root, path, 'dist')).catch(() => null);
    if (!output && (await stat(join(root, path, 'src')).catch(() => null))) return false;
  }
  return true;
}

async function declarationsCurrent() {
  return (await readStamp(declarationsStamp(root))) === (await readStamp(buildStamp(root)));
}

/**
 * Installs dependencies and, with `build`, builds all packages, where that is due; with `declarations`, also what tells
 * TypeScript about them, which programs do not need. One process at a time works on a checkout; others wait and then
 * find the work done.
 * @param {{ build: boolean, declarations?: boolean }} options
 * @throws {Error} when pnpm or the build fails
 */
export async function prepareCheckout({ build, declarations = false }) {
  const built = async () => (await buildCurrent()) && (!declarations || (await declarationsCurrent()));
  if ((await dependenciesCurrent()) && (!build || (await built()))) return;
  const say = (/** @type {string} */ line) => process.stderr.write(`setup: ${line}\n`);
  await withLock(
    join(root, '.cache', 'lock'),
    async () => {
      if (!(await dependenciesCurrent())) {
        say('installing dependencies');
        // The key is taken before the work: a change made during it is seen by the next run.
        const key = await installKey();
        if ((await runPnpm(['install', '--config.confirm-modules-purge=false'])) !== 0) {
          throw new Error('setup: installing dependencies failed; the lines above say why');
        }
        await writeStamp(installStamp(root), key);
      }
      if (build && !(await buildCurrent())) {
        say('building');
        const key = await buildKey();
        await rm(declarationsStamp(root), { force: true });
        if ((await runPnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', '--ui=stream'])) !== 0) {
          throw new Error('setup: the build failed; the lines above say why');
        }
        await writeStamp(buildStamp(root), key);
      }
      if (build && declarations && !(await declarationsCurrent())) {
        say('writing declarations');
        // It needs rollup, a dependency.
        const { writeDeclarations } = await import('./declarations.mjs');
        await writeDeclarations();
        await writeStamp(declarationsStamp(root), await readStamp(buildStamp(root)));
      }
    },
    () => say('waiting for another run to finish its set-up'),
  );
}
