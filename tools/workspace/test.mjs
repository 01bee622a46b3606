// `npm test`: set-up, build, lint, types, boundaries and tests, and a closing line that counts them.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveGpu } from '../../packages/setup/src/resolve.mjs';
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';
import { root } from './layout.mjs';
import { prepareCheckout } from './prepare.mjs';
import { findScript, userFolder } from './start.mjs';
import { checkTypes } from './types.mjs';

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 */

/**
 * Counts the tests of a report of vitest's JSON reporter. A file that did not load counts as one failed test.
 * @param {{ numPassedTests?: number, numFailedTests?: number, numPendingTests?: number, numTodoTests?: number,
 *   testResults?: { status: string, assertionResults: { status: string }[] }[] } | undefined} report
 * @param {number} code vitest's exit code: when it fails with no failed test, that is one failure more
 * @returns {Counts}
 */
export function countTests(report, code) {
  const unloaded = (report?.testResults ?? []).filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = (report?.numFailedTests ?? 0) + unloaded.length;
  return {
    passed: report?.numPassedTests ?? 0,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
  };
}

/** The closing line. */
export function closingLine(/** @type {Counts} */ { passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

async function runTests(/** @type {string[]} */ args) {
  const { gpu } = await resolveGpu();
  process.stderr.write(`test: running on ${gpu.adapter} (${gpu.kind})\n`);
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-test-'));
  const reportPath = join(folder, 'report.json');
  try {
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
    const code = await runToEnd(gpu.node, [vitest, 'run', ...reporters, ...args], {
      cwd: root,
      env: { ...process.env, ...gpu.env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const report = await readFile(reportPath, 'utf8').then(JSON.parse, () => undefined);
    return { code, counts: countTests(report, code) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const node = (/** @type {string[]} */ ...args) =>
  runToEnd(process.execPath, args, { cwd: root, env: process.env, stdio: ['ignore', 'inherit', 'inherit'] });

/** The checks before the tests: name and what to run. Each counts as one in the closing line. */
const checks = /** @type {[string, () => Promise<number>][]} */ ([
  ['lint', () => node(join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome'), 'check', '.')],
  ['types', checkTypes],
  ['boundaries', () => node(join(root, 'tools', 'boundaries.mjs'))],
]);

/** Test files that start a built program: for them, the build must be that of the sources. */
const startsBuilt = /(?:dist\/|['"]\.\/program['"])/;
/** Those that read declarations, which the build of programs does not write. */
const readsDeclarations = /\bfiles\.types\b|\.d\.ts\b/;

/**
 * The test files among the arguments, from where the user stands or from the root.
 * @param {string[]} args
 * @returns {Promise<Map<number, string> | undefined>} absolute paths by their place; undefined where anything but files
 *   and options is asked for
 */
export async function testFiles(args, folders = [userFolder(), root]) {
  const files = new Map();
  for (const [index, arg] of args.entries()) {
    if (arg.startsWith('-')) continue;
    const found = /\.test\.ts$/.test(arg) ? await findScript(arg, folders).catch(() => undefined) : undefined;
    if (found) files.set(index, found);
    // What follows an option may be its value.
    else if (!args[index - 1]?.startsWith('-')) return undefined;
  }
  return files.size > 0 ? files : undefined;
}

/**
 * Runs everything; with arguments, those go to vitest (a pattern of file names, `-t NAME`, …). Files alone are tested
 * at once, from the sources, without the checks before.
 * @param {string[]} args
 * @returns {Promise<number>} 0 when all passed, 1 otherwise; 130 when interrupted
 */
export async function testCommand(args) {
  const files = await testFiles(args);
  if (files) return testAlone(files, args);
  /** @type {Counts} */
  const counts = { passed: 0, failed: 0, skipped: 0 };
  /** @type {string[]} */
  const failures = [];
  const began = Date.now();
  const phase = async (
    /** @type {string} */ name,
    /** @type {() => Promise<{ code: number, counts: Counts }>} */ work,
  ) => {
    process.stderr.write(`test: ${name}\n`);
    const result = await work();
    counts.passed += result.counts.passed;
    counts.failed += result.counts.failed;
    counts.skipped += result.counts.skipped;
    if (result.code !== 0) failures.push(name);
    return result.code;
  };
  const once = async (/** @type {Promise<number>} */ ended) => {
    const code = await ended;
    return { code, counts: { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 } };
  };
  await prepareCheckout({ build: false });
  const build = () =>
    prepareCheckout({ build: true, declarations: true }).then(
      () => 0,
      (error) => {
        process.stderr.write(`${error.message}\n`);
        return 1;
      },
    );
  // A failed check does not hide the next one: whoever runs this sees everything that is wrong.
  for (const [name, work] of /** @type {typeof checks} */ ([['build', build], ...checks])) {
    if ((await phase(name, () => once(work()))) === 130) return 130;
  }
  if ((await phase('tests', () => runTests(args))) === 130) return 130;
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(failures.length ? `\nfailed: ${failures.join(', ')}` : '\nall checks and tests passed');
  process.stdout.write(` after ${seconds} s\n${closingLine(counts)}\n`);
  return failures.length ? 1 : 0;
}

/** Runs test files and nothing else. */
async function testAlone(/** @type {Map<number, string>} */ files, /** @type {string[]} */ args) {
  const texts = await Promise.all([...files.values()].map((file) => readFile(file, 'utf8')));
  const some = (/** @type {RegExp} */ pattern) => texts.some((text) => pattern.test(text));
  const declarations = some(readsDeclarations);
  await prepareCheckout({ build: declarations || some(startsBuilt), declarations });
  const { code, counts } = await runTests(args.map((arg, index) => files.get(index) ?? arg));
  process.stdout.write(`${closingLine(counts)}\n`);
  return code === 130 ? 130 : Math.min(code, 1);
}
