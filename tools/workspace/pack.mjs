// Makes a package's manifest one for other people's projects while npm packs it: no sources, no links into this
// workspace.
// Run by npm in the package's folder, before and after: pack.mjs before|after
import { copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The condition under which the workspace itself finds sources in place of builds. */
const sourceCondition = '@crossgate/source';

/**
 * What of a manifest matters here.
 * @typedef {{ name: string, version: string, exports: Record<string, Record<string, string>>,
 *   dependencies?: Record<string, string>, devDependencies?: unknown, scripts?: unknown }} Manifest
 */

/**
 * The manifest that is published: exports name builds only, our own packages are named by their version, and what is of
 * use in the workspace alone is left out.
 * @param {Manifest} manifest
 * @param {(name: string) => Promise<string>} versionOf version of a package of the workspace
 * @returns {Promise<Manifest>}
 */
export async function publishedManifest({ devDependencies: _, scripts: __, ...manifest }, versionOf) {
  const dependencies = /** @type {Record<string, string>} */ ({});
  for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
    dependencies[name] = range.startsWith('workspace:') ? await versionOf(name) : range;
  }
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([entry, { [sourceCondition]: ___, ...built }]) => [entry, built]),
  );
  return { ...manifest, exports, dependencies };
}

/** Version of a package of this workspace. @param {string} name with its scope */
async function workspaceVersion(name) {
  const path = join(root, 'packages', name.replace(/^@crossgate\//, ''), 'package.json');
  return JSON.parse(await readFile(path, 'utf8')).version;
}

const original = 'package.json.original';

/** Puts the workspace's manifest back, also one that an interrupted packing left aside. */
export async function afterPack(/** @type {string} */ folder) {
  const aside = join(folder, original);
  if (!(await stat(aside).catch(() => null))) return;
  await rename(aside, join(folder, 'package.json'));
  await rm(join(folder, 'LICENSE'), { force: true });
}

/** Puts the published manifest, and the license, in place. @throws {Error} for a package that is not built */
export async function beforePack(/** @type {string} */ folder) {
  await afterPack(folder);
  if (!(await stat(join(folder, 'dist')).catch(() => null))) {
    throw new Error(`${folder}: there is no dist; build it first: npm run build`);
  }
  const path = join(folder, 'package.json');
  const published = await publishedManifest(JSON.parse(await readFile(path, 'utf8')), workspaceVersion);
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await copyFile(path, join(folder, original));
  await writeFile(path, `${JSON.stringify(published, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'before') await beforePack(process.cwd());
  if (process.argv[2] === 'after') await afterPack(process.cwd());
}
