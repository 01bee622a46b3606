// Checks the import direction of the workspace: a package imports only what it stands on, files of a package do not
// import each other in circles, what is meant for browsers too imports nothing of Node, what reads configs loads no GPU
// package, and scripts beside the packages import them by their names. Run: node tools/boundaries.mjs [ROOT]
import { readdir, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * The house: each package with those it stands on; it may also import what these stand on. `node` holds what its
 * `./node` entry needs besides. Apps may import every package but testing. docs/architecture.md has the same table.
 * @type {Record<string, { on: string[], node?: string[], nodeOnly?: true }>}
 */
export const house = {
  testing: { on: [] },
  core: { on: [] },
  setup: { on: [], nodeOnly: true },
  files: { on: ['core'], nodeOnly: true },
  collective: { on: ['core'] },
  terminal: { on: ['core'], nodeOnly: true },
  eval: { on: ['core'] },
  gpu: { on: ['core'] },
  data: { on: ['core'], node: ['files'] },
  kernels: { on: ['gpu'] },
  tensor: { on: ['kernels', 'gpu', 'core', 'collective'], node: ['files'] },
  cf: { on: ['tensor', 'data', 'eval'] },
  llm: { on: ['tensor'], node: ['files'] },
  hub: { on: ['llm', 'files'], nodeOnly: true },
  fusion: { on: ['llm', 'cf', 'data', 'eval'] },
  experiment: { on: ['fusion', 'cf', 'llm', 'data', 'eval', 'hub', 'files'], nodeOnly: true },
  report: { on: ['experiment', 'eval'], nodeOnly: true },
  serve: { on: ['experiment'], nodeOnly: true },
};

/** What tests may import besides: they run in Node. */
const forTests = ['testing', 'files'];

/** Everything below packages, themselves included. */
function below(/** @type {readonly string[]} */ names) {
  const found = new Set(names);
  for (const name of found) for (const lower of house[name]?.on ?? []) found.add(lower);
  return [...found];
}

/**
 * What a file may import though it leaves its package: code beside another package's sources that is no part of its
 * API.
 */
const beside = /** @type {Record<string, string | readonly string[]>} */ ({
  'apps/bench/src/kernels/index.ts': 'packages/kernels/test/benches',
  'apps/bench/src/peers/worker/float64.ts': 'packages/testing/src/index',
  'apps/web/src/page/jobs/kernel-cases.ts': 'packages/kernels/test/benches',
  'apps/web/src/page/jobs/measure.ts': 'apps/bench/src/measure',
  'apps/web/src/page/shared.ts': 'packages/serve/page/src/shared',
  'apps/web/src/page/train-panel.ts': ['docs/shop/interactions.csv?raw', 'docs/shop/items.csv?raw'],
});

/**
 * Folders of scripts beside packages and apps, with the folders outside that they, or their tests, import by path. What
 * builds the repository runs before anything is installed, so it has no names to import by.
 * @type {Record<string, { reaches: string[], inTests: string[] }>}
 */
const scripts = {
  tools: { reaches: ['packages/setup/src/'], inTests: ['packages/', 'apps/'] },
  studies: { reaches: [], inTests: [] },
  reference: { reaches: [], inTests: [] },
};

/** Own packages that a build takes in by path: no import names them, but the build waits for them. */
const builtIn = /** @type {Record<string, string[]>} */ ({
  'apps/bench': ['testing'],
  'apps/web': ['serve', 'kernels'],
});

/** Entries that are read before a device is opened. Nothing that they load uses a GPU. */
const withoutGpu = ['experiment/config', 'cf/registry', 'fusion/methods'];

/** Entries of packages for Node that run in browsers too. */
const forBrowsers = ['experiment/live'];

/** Every workspace package is named with this scope. */
const scope = '@crossgate/';
/** Modules that exist in Node alone. */
const nodeOnly = new Set([
  ...builtinModules,
  ...['webgpu', 'koffi', 'pino', 'cli-progress'],
  ...Object.keys(house)
    .filter((name) => house[name]?.nodeOnly)
    .map((name) => `@crossgate/${name}`),
]);

/**
 * @typedef {{ file: string, line: number, message: string }} Violation `file` is relative to the checked root
 * @typedef {{ specifier: string, line: number, typeOnly: boolean }} Import
 */

/**
 * Finds the module specifiers of a source, TypeScript or JavaScript: import, export … from, import(), and require(). Comments do not
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

const isNodeEntry = (/** @type {string} */ file, /** @type {string} */ folder) =>
  file === `${folder}/src/node.ts` || file.startsWith(`${folder}/src/node/`);

const isTest = (/** @type {string} */ file) => /\.(test|bench)\.m?[jt]s$/.test(file) || /(^|\/)test\//.test(file);

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
      const place = house[name];
      const may =
        group === 'apps' ? Object.keys(house).filter((other) => other !== 'testing') : place && below(place.on);
      if (!may) {
        violations.push({ file: folder, line: 1, message: `package '${name}' has no place in tools/boundaries.mjs` });
        continue;
      }
      const inNode = [...may, ...below(place?.node ?? [])];
      const sources = await readSources(root, folder);
      violations.push(...(await checkManifest(root, folder, name, inNode, sources)));
      violations.push(...checkDirection(sources, folder, name, may, inNode));
      violations.push(...checkCircles(sources));
      if (group === 'packages' && !place?.nodeOnly) violations.push(...checkBrowser(sources, `${folder}/src/index.ts`));
      for (const entry of forBrowsers.filter((of) => folder === `packages/${of.split('/')[0]}`)) {
        const start = await sourceOf(root, entry);
        if (start !== undefined) violations.push(...checkBrowser(sources, start));
      }
    }
  }
  for (const group of Object.keys(scripts)) violations.push(...(await checkScripts(root, group)));
  for (const entry of withoutGpu) violations.push(...(await checkWithoutGpu(root, entry)));
  return violations.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/** The sources of a package with their imports, by path from the root. */
async function readSources(
  /** @type {string} */ root,
  /** @type {string} */ folder,
  /** @type {string[]} */ parts = ['src', 'test', 'examples'],
) {
  /** @type {Map<string, Import[]>} */
  const sources = new Map();
  for (const part of parts) {
    const entries = await readdir(join(root, folder, part), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((candidate) => candidate.isFile() && /\.m?[jt]s$/.test(candidate.name))) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const name = relative(root, path).split(sep).join('/');
      if (name.includes('/node_modules/')) continue;
      sources.set(name, findImports(await readFile(path, 'utf8')));
    }
  }
  return sources;
}

/** Checks a folder of {@link scripts}: packages by their names, no circles. */
async function checkScripts(/** @type {string} */ root, /** @type {string} */ group) {
  const { reaches = [], inTests = [] } = scripts[group] ?? {};
  const sources = await readSources(root, group, ['.']);
  const violations = checkCircles(sources);
  // A folder may have a manifest of its own.
  for (const folder of new Set([...sources.keys()].map((file) => posix.dirname(file)))) {
    const own = new Map([...sources].filter(([file]) => file.startsWith(`${folder}/`)));
    violations.push(...(await checkManifest(root, folder, folder, Object.keys(house), own)));
  }
  for (const [file, imports] of sources) {
    const folders = [`${group}/`, ...reaches, ...(isTest(file) ? inTests : [])];
    for (const { specifier, line } of imports) {
      const other = ownPackage(specifier);
      if (other !== undefined && !house[other]) {
        violations.push({ file, line, message: `'${specifier}' is no package of packages/` });
      }
      if (!specifier.startsWith('.')) continue;
      const path = posix.join(posix.dirname(file), specifier);
      const message = `'${specifier}' leaves ${group}; import a package by its name`;
      if (!folders.some((folder) => path.startsWith(folder))) violations.push({ file, line, message });
    }
  }
  return violations;
}

/** Own packages in a manifest: those it may depend on, and no other than those that it imports. */
async function checkManifest(
  /** @type {string} */ root,
  /** @type {string} */ folder,
  /** @type {string} */ name,
  /** @type {string[]} */ may,
  /** @type {Map<string, Import[]>} */ sources,
) {
  const file = `${folder}/package.json`;
  const text = await readFile(join(root, file), 'utf8').catch(() => '{}');
  const manifest = JSON.parse(text);
  /** @type {Violation[]} */
  const violations = [];
  const used = [...sources.values()].flat().map(({ specifier }) => ownPackage(specifier));
  used.push(...(builtIn[folder] ?? []));
  const check = (/** @type {string} */ field, /** @type {string[]} */ permitted) => {
    for (const dependency of Object.keys(manifest[field] ?? {})) {
      const other = ownPackage(dependency);
      if (other === undefined) continue;
      const line = text.slice(0, text.indexOf(`"${dependency}"`)).split('\n').length;
      if (!permitted.includes(other)) {
        violations.push({ file, line, message: `'${name}' may not depend on '${other}' (${field})` });
      } else if (!used.includes(other)) {
        violations.push({ file, line, message: `'${name}' never imports '${other}' (${field})` });
      }
    }
  };
  check('dependencies', may);
  check('peerDependencies', may);
  check('devDependencies', [...may, ...forTests]);
  return violations;
}

function checkDirection(
  /** @type {Map<string, Import[]>} */ sources,
  /** @type {string} */ folder,
  /** @type {string} */ name,
  /** @type {string[]} */ may,
  /** @type {string[]} */ inNode,
) {
  /** @type {Violation[]} */
  const violations = [];
  for (const [file, imports] of sources) {
    // A package may name itself: its examples do, as a reader would.
    const own = isTest(file) || isNodeEntry(file, folder) ? inNode : may;
    const permitted = [...own, name, ...(isTest(file) ? forTests : [])];
    for (const { specifier, line } of imports) {
      const other = ownPackage(specifier);
      if (other !== undefined && !permitted.includes(other)) {
        violations.push({ file, line, message: `'${name}' may not import '${specifier}'` });
      }
      if (specifier.startsWith('.')) {
        const path = posix.join(posix.dirname(file), specifier);
        const message = `'${specifier}' leaves the package; import it by its name`;
        if (!path.startsWith(`${folder}/`) && ![beside[file]].flat().includes(path))
          violations.push({ file, line, message });
      }
    }
  }
  return violations;
}

/** The file of a package that a relative import names. */
function targetOf(
  /** @type {Map<string, Import[]>} */ sources,
  /** @type {string} */ file,
  /** @type {string} */ specifier,
) {
  const path = posix.join(posix.dirname(file), specifier.replace(/\.js$/, ''));
  return [path, `${path}.ts`, `${path}/index.ts`].find((candidate) => sources.has(candidate));
}

/** Files that import each other, types included: neither can be read or moved without the other. */
function checkCircles(/** @type {Map<string, Import[]>} */ sources) {
  /** @type {Violation[]} */
  const violations = [];
  /** @type {Set<string>} */
  const done = new Set();
  const walk = (/** @type {string} */ file, /** @type {string[]} */ path) => {
    if (done.has(file)) return;
    for (const { specifier, line } of sources.get(file) ?? []) {
      const target = specifier.startsWith('.') ? targetOf(sources, file, specifier) : undefined;
      if (target === undefined || target === file) continue;
      const at = [...path, file].indexOf(target);
      if (at >= 0) {
        const circle = [...path.slice(at), file, target].map((name) => name.replace(/^[^/]+\/[^/]+\//, ''));
        violations.push({ file, line, message: `files import each other in a circle: ${circle.join(' -> ')}` });
      } else walk(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of sources.keys()) walk(file, []);
  return violations;
}

/** Follows imports from an entry: everything it reaches must run in a browser. */
function checkBrowser(/** @type {Map<string, Import[]>} */ sources, /** @type {string} */ entry) {
  /** @type {Violation[]} */
  const violations = [];
  const reached = new Set([entry]);
  for (const file of reached) {
    for (const { specifier, line, typeOnly } of sources.get(file) ?? []) {
      // Types vanish when compiled, so they bring no code of Node's.
      if (typeOnly) continue;
      const bare = specifier.split('/')[0] ?? '';
      const ownNode = ownPackage(specifier) !== undefined && specifier.endsWith('/node');
      if (specifier.startsWith('node:') || nodeOnly.has(specifier) || nodeOnly.has(bare) || ownNode) {
        const message = `'${specifier}' exists in Node alone, and this file is reached from ${entry}`;
        violations.push({ file, line, message });
      } else if (specifier.startsWith('.')) {
        const target = targetOf(sources, file, specifier);
        if (target) reached.add(target);
      }
    }
  }
  return violations;
}

/** The source of a package's entry, as its manifest names it: 'cf/registry' → 'packages/cf/src/registry.ts'. */
async function sourceOf(/** @type {string} */ root, /** @type {string} */ entry) {
  const [name, ...rest] = entry.split('/');
  const text = await readFile(join(root, 'packages', name ?? '', 'package.json'), 'utf8').catch(() => '{}');
  const source = JSON.parse(text).exports?.[['.', ...rest].join('/')]?.['@crossgate/source'];
  return source === undefined ? undefined : posix.join('packages', name ?? '', source);
}

/** Follows imports from an entry, also into other packages: none of them may stand on the package gpu. */
async function checkWithoutGpu(/** @type {string} */ root, /** @type {string} */ entry) {
  /** @type {Violation[]} */
  const violations = [];
  const start = await sourceOf(root, entry);
  if (start === undefined) return violations;
  const reached = new Set([start]);
  const folders = new Map();
  for (const file of reached) {
    const folder = file.split('/').slice(0, 2).join('/');
    if (!folders.has(folder)) folders.set(folder, await readSources(root, folder));
    const sources = folders.get(folder);
    for (const { specifier, line, typeOnly } of sources.get(file) ?? []) {
      if (typeOnly) continue;
      const other = ownPackage(specifier);
      const target = other
        ? await sourceOf(root, specifier.slice(scope.length))
        : specifier.startsWith('.') && targetOf(sources, file, specifier);
      const isEntry = other !== undefined && withoutGpu.includes(specifier.slice(scope.length));
      if (other !== undefined && !isEntry && below([other]).includes('gpu')) {
        const message = `'${specifier}' uses a GPU, and this file is reached from ${scope}${entry}`;
        violations.push({ file, line, message });
      } else if (target && !isEntry) reached.add(target);
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
