// Checks the import direction of the workspace: a package imports only packages above it in the design's list, and what
// is meant for browsers too imports nothing of Node. Run: node tools/boundaries.mjs [ROOT]
import { readdir, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What each package may import of ours. Apps may import every package but testing. */
const allowed = /** @type {Record<string, string[]>} */ ({
  testing: [],
  data: [],
  eval: [],
  gpu: [],
  kernels: ['gpu'],
  tensor: ['kernels', 'gpu'],
  cf: ['tensor', 'kernels', 'gpu', 'data', 'eval'],
  llm: ['tensor', 'kernels', 'gpu'],
  fusion: ['llm', 'cf', 'tensor', 'kernels', 'gpu', 'data', 'eval'],
});

/** Every workspace package is named with this scope. */
const scope = '@crossgate/';
/** Modules that exist in Node alone. */
const nodeOnly = new Set([...builtinModules, 'webgpu', 'pino', 'cli-progress']);

/**
 * @typedef {{ file: string, line: number, message: string }} Violation `file` is relative to the checked root
 * @typedef {{ specifier: string, line: number, typeOnly: boolean }} Import
 */

/**
 * Finds the module specifiers of a TypeScript source: import, export … from, import(), and require(). Comments do not
 * count; a specifier in a string or template that is no import does not either.
 * @param {string} text
 * @returns {Import[]}
 */
export function findImports(text) {
  const found = [];
  // Comments become blanks of the same length and line count; strings stay, since specifiers are strings.
  const code = text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (match, string) => (string ? match : match.replace(/[^\n]/g, ' ')),
  );
  const patterns = [
    /^[ \t]*(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]+?\sfrom\s*)?['"]([^'"\n]+)['"]/gm,
    /\b(?:import|require)\s*(\()\s*['"]([^'"\n]+)['"]/g,
  ];
  for (const pattern of patterns) {
    for (const match of code.matchAll(pattern)) {
      const offset = match.index + match[0].length - 1;
      const line = code.slice(0, offset).split('\n').length;
      found.push({ specifier: match[2] ?? '', line, typeOnly: match[1]?.trim() === 'type' });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

/** The workspace package a specifier names, without the scope: '@crossgate/data/node' → 'data'. */
const ownPackage = (/** @type {string} */ specifier) =>
  specifier.startsWith(scope) ? specifier.slice(scope.length).split('/')[0] : undefined;

const isTest = (/** @type {string} */ file) => /\.test\.ts$|\.bench\.ts$/.test(file) || /(^|\/)test\//.test(file);

/**
 * Checks the workspace at `root`.
 * @param {string} root
 * @returns {Promise<Violation[]>} empty when all is well
 */
export async function checkBoundaries(root) {
  /** @type {Violation[]} */
  const violations = [];
  for (const group of ['packages', 'apps']) {
    const entries = await readdir(join(root, group), { withFileTypes: true }).catch(() => []);
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      const folder = `${group}/${name}`;
      const may = group === 'apps' ? Object.keys(allowed).filter((other) => other !== 'testing') : allowed[name];
      if (!may) {
        violations.push({ file: folder, line: 1, message: `package '${name}' has no place in tools/boundaries.mjs` });
        continue;
      }
      violations.push(...(await checkManifest(root, folder, name, may)));
      const sources = await readSources(root, folder);
      violations.push(...checkDirection(sources, folder, name, may));
      if (group === 'packages') violations.push(...checkBrowser(sources, folder));
    }
  }
  return violations.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/** The TypeScript files of a package with their imports, by path from the root. */
async function readSources(/** @type {string} */ root, /** @type {string} */ folder) {
  /** @type {Map<string, Import[]>} */
  const sources = new Map();
  for (const part of ['src', 'test', 'examples']) {
    const entries = await readdir(join(root, folder, part), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((candidate) => candidate.isFile() && /\.m?ts$/.test(candidate.name))) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const name = relative(root, path).split(sep).join('/');
      sources.set(name, findImports(await readFile(path, 'utf8')));
    }
  }
  return sources;
}

async function checkManifest(
  /** @type {string} */ root,
  /** @type {string} */ folder,
  /** @type {string} */ name,
  /** @type {string[]} */ may,
) {
  const file = `${folder}/package.json`;
  const text = await readFile(join(root, file), 'utf8').catch(() => '{}');
  const manifest = JSON.parse(text);
  /** @type {Violation[]} */
  const violations = [];
  const check = (/** @type {string} */ field, /** @type {string[]} */ permitted) => {
    for (const dependency of Object.keys(manifest[field] ?? {})) {
      const other = ownPackage(dependency);
      if (other === undefined || permitted.includes(other)) continue;
      const line = text.slice(0, text.indexOf(`"${dependency}"`)).split('\n').length;
      violations.push({ file, line, message: `'${name}' may not depend on '${other}' (${field})` });
    }
  };
  check('dependencies', may);
  check('peerDependencies', may);
  check('devDependencies', [...may, 'testing']);
  return violations;
}

function checkDirection(
  /** @type {Map<string, Import[]>} */ sources,
  /** @type {string} */ folder,
  /** @type {string} */ name,
  /** @type {string[]} */ may,
) {
  /** @type {Violation[]} */
  const violations = [];
  for (const [file, imports] of sources) {
    // A package may name itself: its examples do, as a reader would.
    const permitted = [...may, name, ...(isTest(file) ? ['testing'] : [])];
    for (const { specifier, line } of imports) {
      const other = ownPackage(specifier);
      if (other !== undefined && !permitted.includes(other)) {
        violations.push({ file, line, message: `'${name}' may not import '${specifier}'` });
      }
      if (specifier.startsWith('.')) {
        const path = posix.join(posix.dirname(file), specifier);
        const message = `'${specifier}' leaves the package; import it by its name`;
        if (!path.startsWith(`${folder}/`)) violations.push({ file, line, message });
      }
    }
  }
  return violations;
}

/** Follows imports from the `.` entry: everything it reaches must run in a browser. */
function checkBrowser(/** @type {Map<string, Import[]>} */ sources, /** @type {string} */ folder) {
  /** @type {Violation[]} */
  const violations = [];
  const reached = new Set([`${folder}/src/index.ts`]);
  for (const file of reached) {
    for (const { specifier, line, typeOnly } of sources.get(file) ?? []) {
      // Types vanish when compiled, so they bring no code of Node's.
      if (typeOnly) continue;
      const bare = specifier.split('/')[0] ?? '';
      const ownNode = ownPackage(specifier) !== undefined && specifier.endsWith('/node');
      if (specifier.startsWith('node:') || nodeOnly.has(specifier) || nodeOnly.has(bare) || ownNode) {
        const message = `'${specifier}' exists in Node alone, and this file is reached from ${folder}/src/index.ts`;
        violations.push({ file, line, message });
      } else if (specifier.startsWith('.')) {
        const path = posix.join(posix.dirname(file), specifier.replace(/\.js$/, ''));
        const target = [path, `${path}.ts`, `${path}/index.ts`].find((candidate) => sources.has(candidate));
        if (target) reached.add(target);
      }
    }
  }
  return violations;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)));
  const violations = await checkBoundaries(root);
  for (const { file, line, message } of violations) process.stderr.write(`${file}:${line} ${message}\n`);
  if (violations.length > 0) process.stderr.write(`boundaries: ${violations.length} violations\n`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
