// What do ranks cost, and what do they gain? Steps and sums on 1, 2 and 4 ranks of this machine; each rank has one core,
// and so has its software GPU. tables.test.ts holds the page to what was measured. Linux.
//
//   npm run -s example -- studies/ranks/main.mjs [ROUNDS]
//   npm run -s example -- studies/ranks/main.mjs page
//
// Starts mpirun by itself, and writes ranks.json and README.md of docs/results/ranks. Three rounds (the default) take ten
// minutes of two cores that nothing else uses. `page` measures nothing: it makes README.md of what is in ranks.json.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { page } from './tables.mjs';

const out = join(import.meta.dirname, '../../docs/results/ranks');
const file = join(out, 'ranks.json');
const CORES = 2;

/** @typedef {import('./tables.mjs').Layout} Layout */

/** @type {readonly Layout[]} */
const layouts = [
  { ranks: 1, cores: 1, between: null },
  { ranks: 1, cores: 1, between: null, beside: true },
  { ranks: 2, cores: 2, between: 'shared memory' },
  { ranks: 2, cores: 2, between: 'TCP' },
  { ranks: 4, cores: 2, between: 'shared memory' },
];

/** How Open MPI moves bytes, in its own words; TCP is that of several machines, over loopback. */
const transports = {
  'shared memory': ['--mca', 'pml', 'ob1', '--mca', 'btl', '^tcp'],
  TCP: ['--mca', 'pml', 'ob1', '--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', 'lo'],
};

const environment = {
  ...process.env,
  ...{ OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', LP_NUM_THREADS: '1' },
};

/** Arguments of mpirun. @param {string} script @param {Layout} layout @param {string} core of a rank, for a shell */
const launch = (script, { ranks, between }, core) => [
  ...['--quiet', '--oversubscribe', '--bind-to', 'none', ...transports[between ?? 'shared memory']],
  ...['-n', String(ranks), 'sh', '-c', `exec taskset -c ${core} "$@"`, 'sh'],
  ...[process.execPath, join(import.meta.dirname, script)],
];

/** Starts a job of its own, one after another, on the core that a rank leaves free. @returns what ends it */
function startOther() {
  const job = 'while mpirun "$@" > /dev/null; do :; done';
  const args = launch('steps.mjs', { ranks: 1, cores: 1, between: null }, '1');
  const { pid } = spawn('sh', ['-c', job, 'sh', ...args], { detached: true, stdio: 'ignore', env: environment });
  if (pid === undefined) throw new Error('the job on the other core does not start');
  // The other job has compiled its kernels by then.
  spawnSync('sleep', ['10']);
  return () => process.kill(-pid, 'SIGKILL');
}

/**
 * Runs a script on the ranks of a layout, rank r on core r modulo the number of cores.
 * @param {string} script
 * @param {Layout} layout
 * @returns {any} what rank 0 prints
 */
function measure(script, layout) {
  const { ranks, cores, between, beside } = layout;
  const started = performance.now();
  const args = launch(script, layout, `$((OMPI_COMM_WORLD_LOCAL_RANK % ${cores}))`);
  const endOther = beside ? startOther() : () => {};
  const { status, stdout, error } = spawnSync('mpirun', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  endOther();
  if (error || status !== 0) throw new Error(`mpirun ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}`);
  const seconds = (performance.now() - started) / 1000;
  const words = between ?? (beside ? 'beside another job' : 'alone');
  process.stderr.write(`${script}: ${ranks} ranks, ${words}: ${seconds.toFixed(0)} s\n`);
  return JSON.parse(stdout);
}

/** @param {number} rounds */
function measureAll(rounds) {
  if (availableParallelism() < CORES) throw new Error(`ranks need ${CORES} cores to be compared`);
  const machine = {
    date: new Date().toISOString().slice(0, 10),
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
    processor: cpus()[0]?.model ?? 'unknown',
    node: process.versions.node,
    mpi: /[\d.]+/.exec(execFileSync('mpirun', ['--version'], { encoding: 'utf8' }))?.[0] ?? 'unknown',
    load: loadavg()[0] ?? 0,
    rounds,
  };
  const started = performance.now();
  /** @type {import('./tables.mjs').StepsOf[]} */
  const steps = [];
  // Every round takes all layouts, so that a slow minute does not count against one of them.
  for (let round = 0; round < rounds; round++)
    for (const layout of layouts) steps.push({ ...layout, ...measure('steps.mjs', layout) });
  const several = layouts.filter(({ ranks }) => ranks > 1);
  const sums = several.map((layout) => ({ ...layout, ...measure('sums.mjs', layout) }));
  const [pair] = several;
  const pieces = pair ? measure('pieces.mjs', pair) : [];
  return { ...machine, seconds: (performance.now() - started) / 1000, steps, sums, pieces };
}

const [asked = '3'] = process.argv.slice(2);
if (asked !== 'page') {
  const rounds = Number(asked);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`${asked}: write a number of rounds, or page`);
  mkdirSync(out, { recursive: true });
  writeFileSync(file, `${JSON.stringify(measureAll(rounds))}\n`);
}
writeFileSync(join(out, 'README.md'), page(JSON.parse(readFileSync(file, 'utf8'))));
