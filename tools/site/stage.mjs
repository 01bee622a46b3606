// Lays the pages out as vitepress reads them: the Markdown of the checkout with the links of the site, and its pictures.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { promisify } from 'node:util';
import { repositoryUrl } from '../workspace/pack.mjs';
import { siteLinks } from './links.mjs';
import { findEntries, findPages, root } from './pages.mjs';

/**
 * Address of the repository's files at this commit, with {kind} for `blob` or `tree`.
 * @returns {Promise<string | undefined>} undefined where nobody has said where the repository is
 */
export async function repositoryFiles() {
  const url = await repositoryUrl();
  if (url === undefined) return undefined;
  const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD'], { cwd: root });
  return `${url}/{kind}/${stdout.trim()}`;
}

/**
 * The pages by their place on the site, and the pictures that they show.
 * @param {string} [repository] see {@link repositoryFiles}
 * @returns {Promise<{ pages: Map<string, string>, images: Set<string> }>}
 * @throws {Error} for a link to nothing
 */
export async function readPages(repository) {
  const places = findPages();
  const pages = /** @type {Map<string, string>} */ (new Map());
  const images = /** @type {Set<string>} */ (new Set());
  for (const [source, page] of places) {
    const text = await readFile(join(root, source), 'utf8');
    const place = { root, pages: places, ...(repository === undefined ? {} : { repository }) };
    const staged = siteLinks(text, source, place);
    pages.set(page, staged.text);
    for (const image of staged.images) images.add(image);
  }
  return { pages, images };
}

/** Writes pages and pictures into `out`, and removes pages that there are no more; `out/api` stays. */
export async function stagePages(/** @type {string} */ out, /** @type {string | undefined} */ repository) {
  const { pages, images } = await readPages(repository);
  const write = async (/** @type {string} */ path, /** @type {string} */ text) => {
    await mkdir(dirname(join(out, path)), { recursive: true });
    const old = await readFile(join(out, path), 'utf8').catch(() => undefined);
    if (old !== text) await writeFile(join(out, path), text);
  };
  for (const [page, text] of pages) await write(page, text);
  for (const image of images) {
    await mkdir(dirname(join(out, 'files', image)), { recursive: true });
    await copyFile(join(root, image), join(out, 'files', image));
  }
  for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
    const folder = (entry.parentPath ?? entry.path).slice(out.length + 1).replaceAll('\\', '/');
    const path = posix.join(folder, entry.name);
    if (entry.isFile() && path.endsWith('.md') && !path.startsWith('api/') && !pages.has(path))
      await rm(join(out, path));
  }
}

/**
 * Puts an introduction in front of each page of the API: where the package is described, and its examples, as the tests
 * run them.
 * @param {string} out
 */
export async function introduceApi(out) {
  for (const { name, folder } of findEntries()) {
    const file = join(out, 'api', `${name}.md`);
    const text = await readFile(file, 'utf8');
    const depth = posix.relative(dirname(`api/${name}`), `packages/${folder}/index.md`);
    const [title = '', ...rest] = text.split(/(?<=^# .*\n)/m);
    const parts = [`[The package](${depth}) is introduced by its README. This page lists what \`${name}\` exports.\n`];
    // Of a package's main entry alone, whose specifier has no further part.
    const isMain = name.split('/').length === 2;
    for (const example of isMain ? (await readdir(join(root, 'packages', folder, 'examples'))).sort() : []) {
      const path = `packages/${folder}/examples/${example}`;
      parts.push(`::: details Example: ${path}\n\`\`\`js\n${await readFile(join(root, path), 'utf8')}\`\`\`\n:::\n`);
    }
    await writeFile(file, `${title}\n${parts.join('\n')}\n${rest.join('')}`);
  }
}
