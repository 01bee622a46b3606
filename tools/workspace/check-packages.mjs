// `npm run check-packages`: packs every public package, installs the tarballs in an empty project, and checks there what
// their users meet: manifests, types under every compiler and resolution, README programs and examples, bundle sizes.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { resolveGpu } from '../../packages/setup/src/resolve.mjs';
import { execute, mustExecute } from '../../packages/setup/src/system.mjs';
import { root, workspaceFolders } from './layout.mjs';
import { prepareCheckout } from './prepare.mjs';
import { userFolder } from './start.mjs';

const usage = `Usage: npm run check-packages -- [options]

Packs every public package, installs the tarballs in an empty project, and checks them there. Needs the npm registry.
Examples that need data or a model find them through CROSSGATE_DATA and CROSSGATE_MODELS, and are skipped without.

Options:
  --out FILE      write the log as Markdown
  --tarballs DIR  leave the tarballs that passed there, for npm publish
  --help          show this text
`;

/** Packages whose entries, but `/node`, also run in a browser: they need no types of Node. */
const inBrowser = ['core', 'collective', 'eval', 'gpu', 'data', 'kernels', 'tensor', 'cf', 'llm', 'fusion'];
/** Bundles whose size is in the log: package and what is imported. */
const bundles = [
  ...[
    ['core', 'InputError'],
    ['eval', 'auc'],
    ['gpu', 'createDevice'],
    ['kernels', 'softmax'],
    ['kernels', 'matmul'],
  ],
  ...[
    ['tensor', 'Tape'],
    ['data', 'assembleDataset'],
    ['cf', 'MatrixFactorization'],
    ['llm', 'LlamaModel'],
  ],
];

/** @typedef {{ what: string, outcome: 'passed' | 'failed' | 'skipped', words: string }} Row */

/** The TypeScript compilers that the root's manifest pins, oldest first: what they are called, and their `tsc`. */
export async function compilers() {
  const { devDependencies } = await rootManifest();
  const found = [];
  for (const name of Object.keys(devDependencies).filter((each) => /^typescript(-|$)/.test(each))) {
    const folder = join(root, 'node_modules', name);
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    found.push({ label: `TypeScript ${version}`, tsc: join(folder, 'bin', 'tsc') });
  }
  return found.sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }));
}

async function rootManifest() {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
}

/** Arguments of examples that take some; undefined where the file is not there. */
async function exampleArguments() {
  const { CROSSGATE_DATA: data, CROSSGATE_MODELS: models } = process.env;
  const present = async (/** @type {string | undefined} */ folder, /** @type {string[]} */ ...parts) => {
    const path = folder === undefined ? '' : resolve(folder, ...parts);
    return path !== '' && (await readdir(path).catch(() => null)) ? path : undefined;
  };
  const [ml1m, stories] = [await present(data, 'ml-1m'), await present(models, 'stories260K', 'hf')];
  return /** @type {Record<string, (string | undefined)[]>} */ ({
    'cf/movielens.mjs': [ml1m, '2'],
    'cf/recommend.mjs': [join(root, 'docs/shop')],
    'fusion/ccf.mjs': [stories, ml1m, '16'],
    'llm/generate.mjs': [stories, 'Once upon a time', '4'],
    'llm/inspect.mjs': [stories],
  });
}

/** Packs into `tarballs` and installs in `project`. @returns {Promise<string[]>} names of the packages */
async function install(/** @type {string} */ tarballs, /** @type {string} */ project) {
  const folders = [];
  for (const folder of await workspaceFolders()) {
    const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    if (!manifest.private) folders.push(`./${folder.replaceAll('\\', '/')}`);
  }
  await mustExecute('npm', ['pack', '--pack-destination', tarballs, ...folders], { cwd: root });
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  const packed = (await readdir(tarballs)).map((name) => join(tarballs, name));
  // hono's types, which those of serve name, want WebSocket: of DOM, or of Node's types from 22 on.
  const types = '@types/node@22';
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  await mustExecute('npm', ['install', ...quiet, ...packed, types], { cwd: project });
  return (await readdir(join(project, 'node_modules/@crossgate'))).sort();
}

/** @param {string} project @param {string} name */
async function manifestOf(project, name) {
  return JSON.parse(await readFile(join(project, 'node_modules/@crossgate', name, 'package.json'), 'utf8'));
}

/** publint and are-the-types-wrong. @returns {Promise<Row[]>} */
async function checkManifests(/** @type {string} */ tarballs) {
  const { publint } = await import('publint');
  const { formatMessage } = await import('publint/utils');
  const rows = /** @type {Row[]} */ ([]);
  for (const file of (await readdir(tarballs)).sort()) {
    const tarball = await readFile(join(tarballs, file));
    const data = /** @type {Uint8Array<ArrayBuffer>} */ (new Uint8Array(tarball));
    const { messages, pkg } = await publint({ pack: { tarball: data.buffer }, strict: true });
    const words = messages.map((message) => formatMessage(message, pkg) ?? message.code).join('; ');
    rows.push({ what: `publint ${pkg?.name}`, outcome: messages.length ? 'failed' : 'passed', words });
    // ESM only: require() loads it too on every Node that is supported, which this tool does not know yet.
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const { code, stdout } = await execute(process.execPath, [
      ...[attw, join(tarballs, file), '--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji'],
    ]);
    const lines = stdout.trim().split('\n').slice(0, 8).join(' ');
    rows.push({
      what: `are-the-types-wrong ${pkg?.name}`,
      outcome: code === 0 ? 'passed' : 'failed',
      words: code ? lines : '',
    });
  }
  return rows;
}

/** Every entry and the README programs, under every compiler. @returns {Promise<Row[]>} */
async function checkTypes(/** @type {string} */ project, /** @type {string[]} */ names) {
  const entries = [];
  for (const name of names) {
    for (const entry of Object.keys((await manifestOf(project, name)).exports)) {
      const browser = inBrowser.includes(name) && entry !== './node';
      entries.push({ specifier: `@crossgate/${name}${entry.slice(1)}`, browser });
    }
  }
  const programs = [];
  for (const name of names) {
    const text = await readFile(join(project, 'node_modules/@crossgate', name, 'README.md'), 'utf8');
    for (const [index, block] of [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].entries()) {
      programs.push(`readme-${name}-${index + 1}.ts`);
      await writeFile(join(project, programs.at(-1) ?? ''), `${block[1]}\nexport {};\n`);
    }
  }
  const lib = ['es2023', 'esnext.disposable'];
  const cases = /** @type {const} */ ([
    ['browser entries, no DOM', true, [], []],
    ['browser entries, DOM', true, ['dom', 'dom.asynciterable'], []],
    ['all entries, no DOM, types of Node', false, [], ['node']],
    ['all entries and READMEs, DOM, types of Node', false, ['dom', 'dom.asynciterable'], ['node']],
  ]);
  const rows = /** @type {Row[]} */ ([]);
  for (const { label: compiler, tsc } of await compilers()) {
    for (const [module, moduleResolution] of [
      ['node16', 'node16'],
      ['esnext', 'bundler'],
    ]) {
      for (const [label, browserOnly, dom, types] of cases) {
        const chosen = entries.filter(({ browser }) => browser || !browserOnly);
        await writeFile(
          join(project, 'entries.ts'),
          chosen.map(({ specifier }, index) => `export * as entry${index} from '${specifier}';\n`).join(''),
        );
        const compilerOptions = {
          ...{ module, moduleResolution, types, lib: [...lib, ...dom], target: 'es2022' },
          ...{ strict: true, noEmit: true, skipLibCheck: false },
        };
        const files = ['entries.ts', ...(label.includes('README') ? programs : [])];
        await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
        const { code, stdout } = await execute(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: project });
        const what = `types, ${compiler}, ${moduleResolution}: ${label}`;
        const words = stdout.trim().split('\n').slice(0, 4).join(' ');
        rows.push({ what, outcome: code === 0 ? 'passed' : 'failed', words });
      }
    }
  }
  return rows;
}

/** The examples of the packages, with the installed packages. @returns {Promise<Row[]>} */
async function runExamples(
  /** @type {string} */ project,
  /** @type {import('../../packages/setup/src/resolve.mjs').Gpu} */ gpu,
) {
  const given = await exampleArguments();
  const rows = /** @type {Row[]} */ ([]);
  for (const folder of await workspaceFolders()) {
    const name = basename(folder);
    const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const files = manifest.private ? [] : await readdir(join(root, folder, 'examples')).catch(() => []);
    for (const file of files.sort()) {
      const what = `example ${name}/${file}`;
      const args = given[`${name}/${file}`] ?? [];
      if (args.includes(undefined)) {
        rows.push({ what, outcome: 'skipped', words: 'CROSSGATE_DATA or CROSSGATE_MODELS lacks what it needs' });
        continue;
      }
      const target = join(project, 'examples', name, file);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, await readFile(join(root, folder, 'examples', file)));
      const env = { ...process.env, ...gpu.env };
      const { code, stdout, stderr } = await execute(gpu.node, [target, ...args.map(String)], { cwd: project, env });
      const passed = code === 0 && stdout !== '';
      const words = passed
        ? (stdout.trim().split('\n')[0] ?? '').slice(0, 80)
        : stderr.trim().split('\n').slice(-3).join(' ');
      rows.push({ what, outcome: passed ? 'passed' : 'failed', words });
    }
  }
  return rows;
}

/** Bytes of a bundle that uses one export. @returns {Promise<Row[]>} */
async function measureBundles(/** @type {string} */ project) {
  const { build } = await import('esbuild');
  const rows = /** @type {Row[]} */ ([]);
  for (const [name, exported] of bundles) {
    const contents = `import { ${exported} } from '@crossgate/${name}'; console.log(${exported});`;
    const { outputFiles } = await build({
      ...{ stdin: { contents, resolveDir: project }, bundle: true, minify: true, write: false, format: 'esm' },
      ...{ platform: 'browser', logLevel: 'silent' },
    });
    const bytes = outputFiles[0]?.contents.length ?? 0;
    rows.push({
      what: `bundle of ${exported} from ${name}`,
      outcome: 'passed',
      words: `${bytes.toLocaleString('en')} bytes`,
    });
  }
  return rows;
}

/** The log as Markdown. @param {Row[]} rows @param {string} adapter */
function markdown(rows, adapter) {
  const date = new Date().toISOString().slice(0, 10);
  const cell = (/** @type {string} */ text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const count = (/** @type {Row['outcome']} */ outcome) => rows.filter((row) => row.outcome === outcome).length;
  return [
    '# The packages, as others install them',
    '',
    `\`npm run check-packages\` on ${date}, Node ${process.version}, ${adapter}: ${count('passed')} passed,`,
    `${count('failed')} failed, ${count('skipped')} skipped.`,
    '',
    '| check | outcome | |',
    '|---|---|---|',
    ...rows.map(({ what, outcome, words }) => `| ${cell(what)} | ${outcome} | ${cell(words)} |`),
    '',
  ].join('\n');
}

/**
 * Runs the command.
 * @param {string[]} args
 * @returns {Promise<number>} 0 when all passed, 1 when a check failed, 2 for wrong usage
 */
export async function checkPackagesCommand(args) {
  const options = /** @type {Record<string, string>} */ ({});
  for (let index = 0; index < args.length; index += 2) {
    const [name = '', value] = [args[index], args[index + 1]];
    if (name === '--help') {
      process.stdout.write(usage);
      return 0;
    }
    if (!['--out', '--tarballs'].includes(name) || value === undefined) {
      process.stderr.write(`check-packages: unknown option '${name}', or one without a value; see --help\n`);
      return 2;
    }
    options[name] = resolve(userFolder(), value);
  }
  await prepareCheckout({ build: true, declarations: true });
  const { gpu } = await resolveGpu();
  const work = await mkdtemp(join(tmpdir(), 'crossgate-check-'));
  const say = (/** @type {string} */ line) => process.stderr.write(`check-packages: ${line}\n`);
  try {
    const [tarballs, project] = [join(work, 'tarballs'), join(work, 'project')];
    for (const folder of [tarballs, project]) await mkdir(folder);
    say('packing and installing');
    const names = await install(tarballs, project);
    const rows = /** @type {Row[]} */ ([]);
    const phases = /** @type {[string, () => Promise<Row[]>][]} */ ([
      ['manifests', () => checkManifests(tarballs)],
      ['types', () => checkTypes(project, names)],
      ['examples', () => runExamples(project, gpu)],
      ['bundles', () => measureBundles(project)],
    ]);
    for (const [name, work] of phases) {
      say(name);
      rows.push(...(await work()));
    }
    const log = markdown(rows, gpu.adapter).replaceAll(work, '…');
    process.stdout.write(log);
    if (options['--out']) {
      await mkdir(dirname(options['--out']), { recursive: true });
      await writeFile(options['--out'], log);
    }
    const failed = rows.some(({ outcome }) => outcome === 'failed');
    if (options['--tarballs'] && !failed) {
      await mkdir(options['--tarballs'], { recursive: true });
      for (const file of await readdir(tarballs)) {
        await writeFile(join(options['--tarballs'], file), await readFile(join(tarballs, file)));
      }
    }
    return failed ? 1 : 0;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
