// Which Markdown files of the checkout are pages of the site, under which names, and in which groups of its sidebar.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the checkout. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Folders of the root whose Markdown files are pages, as those of the root itself are. */
const folders = ['docs', 'packages', 'apps', 'studies', 'reference', 'assets'];
/** Folders that hold no pages, wherever they lie; `docs/site` is the site's own folder. */
const left = /(^|\/)(node_modules|dist|src|test|fixtures)$|^docs\/site$/;
/** The first page of the site, which nothing else is made from. */
export const home = 'docs/site/index.md';

/** Markdown files below a folder, from the root. @returns {string[]} */
function markdownBelow(/** @type {string} */ folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return left.test(path) || folder === '.' ? [] : markdownBelow(path);
    return entry.isFile() && entry.name.endsWith('.md') ? [path] : [];
  });
}

/**
 * Where a Markdown file stands on the site: `docs/x.md` is `x.md`, a README is the index of its folder, and that of the
 * root is `start.md`.
 * @param {string} source from the root of the checkout
 */
export function pageOf(source) {
  if (source === home) return 'index.md';
  if (source === 'README.md') return 'start.md';
  const path = source.replace(/^docs\//, '').replace(/(^|\/)README\.md$/, '$1index.md');
  return path.includes('/') ? path : path.toLowerCase();
}

/** All pages: source to place on the site, both with `/` and from their roots. @returns {Map<string, string>} */
export function findPages() {
  const sources = ['.', ...folders].flatMap(markdownBelow).sort();
  return new Map([home, ...sources].map((source) => [source, pageOf(source)]));
}

/** The first heading of a Markdown file. @param {string} source */
function titleOf(source) {
  const text = readFileSync(join(root, source), 'utf8');
  return (/^# (.+)$/m.exec(text)?.[1] ?? source).replaceAll('`', '');
}

/** The address of a page on the site. @param {string} source */
const addressOf = (source) => `/${pageOf(source).replace(/(^|\/)index\.md$|\.md$/, '$1')}`;

/**
 * @typedef {{ text: string, link: string }} Item
 * @typedef {{ text: string, collapsed?: boolean, items: Item[] }} Group
 */

/** Pages of a group, named by their headings or, after a colon, otherwise. @returns {Group} */
function group(/** @type {string} */ text, /** @type {readonly (string | [string, string])[]} */ sources) {
  const items = sources.map((entry) => {
    const [source, name] = typeof entry === 'string' ? [entry, titleOf(entry)] : entry;
    return { text: name, link: addressOf(source) };
  });
  return { text, items };
}

/** Sources of pages below a folder, its index first. @param {string} folder */
function below(folder) {
  const found = [...findPages().keys()].filter((source) => source.startsWith(`${folder}/`) && source !== home);
  const isIndex = (/** @type {string} */ source) => source === `${folder}/README.md`;
  return [...found.filter(isIndex), ...found.filter((source) => !isIndex(source))];
}

/** Names of the folders of public packages. */
function publicPackages() {
  return readdirSync(join(root, 'packages')).filter((name) => {
    const manifest = join(root, 'packages', name, 'package.json');
    return existsSync(manifest) && !JSON.parse(readFileSync(manifest, 'utf8')).private;
  });
}

/** Entries of the public packages: specifier, package, source from the root, and page on the site. */
export function findEntries() {
  return publicPackages().flatMap((folder) => {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8'));
    const entries = /** @type {[string, Record<string, string>][]} */ (Object.entries(manifest.exports));
    return entries.map(([entry, files]) => ({
      name: `${manifest.name}${entry.slice(1)}`,
      folder,
      source: posix.join('packages', folder, files['@crossgate/source'] ?? ''),
    }));
  });
}

/** The sidebars by the addresses that they stand beside. @returns {Record<string, Group[]>} */
export function sidebars() {
  const packages = group(
    'Packages',
    publicPackages().map((name) => [`packages/${name}/README.md`, name]),
  );
  const entries = findEntries().map(({ name }) => ({ text: name, link: `/api/${name}` }));
  const api = [{ text: 'API', items: [{ text: 'All entries', link: '/api/' }, ...entries] }, packages];
  const guides = [
    group('Start', [['README.md', 'Quick start'], ['docs/setup.md', 'Set-up'], 'docs/demo-world.md']),
    group('Guides', [
      ['docs/guide-cf.md', 'From CSV to recommendations'],
      ['docs/own-data.md', 'Your own data'],
      ['docs/guide.md', 'From ratings to a CCF-LLM'],
      ['docs/sweep.md', 'Searching settings'],
      ['docs/own-model.md', 'Your own model'],
      ['docs/kernels.md', 'Kernels alone'],
      ['docs/matmul-ladder.md', 'A product, step by step'],
      ['docs/rejected-optimizations.md', 'What did not pay'],
      ['docs/bundle.md', 'A GPU without a network'],
      ['docs/serving.md', 'Serving'],
      ['docs/scale.md', 'Clusters'],
      ['docs/browser.md', 'In the browser'],
      ['docs/models.md', 'Language models'],
      ['docs/paper.md', 'The paper in code'],
    ]),
    group('Reference', [
      ['docs/troubleshooting.md', 'Troubleshooting'],
      ['docs/errors.md', 'Errors by code'],
      ['apps/train/README.md', 'The program crossgate'],
      ['apps/bench/README.md', 'The program crossgate-bench'],
      ['apps/web/README.md', 'The page of npm run web'],
    ]),
    packages,
    group(
      'The project',
      [
        'docs/architecture.md',
        ['docs/decisions/README.md', 'Decisions'],
        ['docs/results/README.md', 'Results'],
        ...[...below('studies'), ...below('reference'), ...below('assets')],
        ...['CONTRIBUTING.md', 'CHANGELOG.md'],
        ['packages/testing/README.md', 'testing'],
        ...below('packages/serve/page'),
      ].map((entry) => /** @type {string | [string, string]} */ (entry)),
    ),
  ];
  return {
    '/api/': api,
    '/decisions/': [group('Decisions', below('docs/decisions'))],
    '/results/': [group('Results', below('docs/results'))],
    '/': guides,
  };
}
