// Makes a package one for other people's projects while npm packs it: builds it, and puts a manifest in place without
// sources and links into this workspace, a README whose links lead somewhere, and the license.
// Run by npm in the package's folder, before and after: pack.mjs before|after
import { execFile } from 'node:child_process';
import { copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { prepareCheckout } from './prepare.mjs';

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
 * @param {{ url: string, directory: string }} [place] address of the repository, and the package's folder in it
 * @returns {Promise<Manifest>}
 */
export async function publishedManifest({ devDependencies: _, scripts: __, ...manifest }, versionOf, place) {
  const dependencies = /** @type {Record<string, string>} */ ({});
  for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
    dependencies[name] = range.startsWith('workspace:') ? await versionOf(name) : range;
  }
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([entry, { [sourceCondition]: ___, ...built }]) => [entry, built]),
  );
  const about = place && {
    homepage: `${place.url}/tree/main/${place.directory}#readme`,
    bugs: `${place.url}/issues`,
    repository: { type: 'git', url: `git+${place.url}.git`, directory: place.directory },
  };
  return { ...manifest, ...about, exports, dependencies };
}

/**
 * The README that is published: links to files of the checkout lead to these files in the repository, at the version.
 * @param {string} text
 * @param {{ url: string, directory: string, tag: string }} place `directory` of the package, from the root
 */
export function publishedReadme(text, { url, directory, tag }) {
  const blocks = text.split(/^(```[\s\S]*?^```)/m);
  const link = (/** @type {string} */ whole, /** @type {string} */ target) => {
    if (/^([a-z]+:|#)/.test(target)) return whole;
    return `](${url}/blob/${tag}/${posix.join(directory, target)})`;
  };
  return blocks.map((part, index) => (index % 2 ? part : part.replace(/\]\(([^)\s]+)\)/g, link))).join('');
}

/**
 * Where the repository is: as the root's manifest says, else as GitHub says to a workflow, else the remote `origin`.
 * @returns {Promise<string | undefined>} an https address without `.git`; undefined for a checkout without any
 */
export async function repositoryUrl(folder = root, env = process.env) {
  const { repository } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const named = repository?.url ?? repository;
  const workflow = env.GITHUB_REPOSITORY && `${env.GITHUB_SERVER_URL ?? 'https://github.com'}/${env.GITHUB_REPOSITORY}`;
  const remote = async () =>
    (await promisify(execFile)('git', ['remote', 'get-url', 'origin'], { cwd: folder }).catch(() => undefined))?.stdout;
  const url = (named ?? workflow ?? (await remote()) ?? '').trim();
  const address = /^(?:git\+)?(?:https:\/\/(?:[^@/]*@)?|(?:ssh:\/\/)?git@)([\w.-]+)[:/](.+?)(?:\.git)?\/?$/.exec(url);
  return address ? `https://${address[1]}/${address[2]}` : undefined;
}

/** Version of a package of this workspace. @param {string} name with its scope */
async function workspaceVersion(name) {
  const path = join(root, 'packages', name.replace(/^@crossgate\//, ''), 'package.json');
  return JSON.parse(await readFile(path, 'utf8')).version;
}

/** Files that are another while npm packs. Meanwhile theirs have names that npm, which packs every README.*, leaves out. */
const replaced = ['package.json', 'README.md'];
const aside = (/** @type {string} */ folder, /** @type {string} */ name) => join(folder, `.original-${name}`);

/** Puts the workspace's files back, also those that an interrupted packing left aside. */
async function afterPack(/** @type {string} */ folder) {
  for (const name of replaced) {
    if (await stat(aside(folder, name)).catch(() => null)) await rename(aside(folder, name), join(folder, name));
  }
  await rm(join(folder, 'LICENSE'), { force: true });
}

/**
 * Puts the published files in place.
 * @param {string} folder of a package that is built
 * @param {string | undefined} url of the repository
 * @throws {Error} for a package that is not built
 */
export async function beforePack(folder, url) {
  await afterPack(folder);
  if (!(await stat(join(folder, 'dist')).catch(() => null))) {
    throw new Error(`${folder}: there is no dist; build it first: npm run build`);
  }
  // Moved, not copied: the times of files tell whether a build is due.
  for (const name of replaced) await rename(join(folder, name), aside(folder, name));
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const manifest = JSON.parse(await readFile(aside(folder, 'package.json'), 'utf8'));
  const directory = relative(root, folder).split(sep).join('/');
  const place = url === undefined ? undefined : { url, directory };
  const published = await publishedManifest(manifest, workspaceVersion, place);
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  const readme = await readFile(aside(folder, 'README.md'), 'utf8');
  const text = place ? publishedReadme(readme, { ...place, tag: `v${manifest.version}` }) : readme;
  await writeFile(join(folder, 'README.md'), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'before') {
    // Standard output is npm's: `npm pack --json` is read by programs.
    await prepareCheckout({ build: true, declarations: true });
    await beforePack(process.cwd(), await repositoryUrl());
  }
  if (process.argv[2] === 'after') await afterPack(process.cwd());
}
