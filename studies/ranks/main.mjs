// What do ranks cost, and what do they gain? Steps and sums on 1, 2 and 4 ranks of this machine; each rank has one core,
// and so has its software GPU. tables.test.ts holds the page to what was measured. Linux.
//
//   npm run -s example -- studies/ranks/main.mjs [ROUNDS]
//   npm run -s example -- studies/ranks/main.mjs page
//
// Starts mpirun by itself, and writes ranks.json and README.md of docs/results/ranks. Three rounds (the default) take ten
// minutes of two cores that nothing else uses. `page` measures nothing: it makes README.md of what is in ranks.json.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { page } from './tables.mjs';

const out = join(import.meta.dirname, '../../docs/results/ranks');
const file = join(out, 'ranks.json');
const CORES = 2;

/** @typedef {import('./tables.mjs').Layout} Layout */

/** @type {readonly Layout[]} */
const layouts = [
  { ranks: 1, cores: 1, between: null },
  // The control: cores share parts of the processor and memory, so one that works may slow the other, whatever ranks do.
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

/**
 * Starts a script on the ranks of a layout, rank r on core `first` + r modulo the number of cores.
 * @param {string} script
 * @param {Layout} layout
 */
function start(script, { ranks, cores, between }, first = 0) {
  const bound = 'exec taskset -c $((FIRST + OMPI_COMM_WORLD_LOCAL_RANK % CORES)) "$@"';
  const args = [
    ...['--oversubscribe', '--bind-to', 'none', ...transports[between ?? 'shared memory']],
    ...['-n', String(ranks), 'sh', '-c', bound, 'sh', process.execPath, join(import.meta.dirname, script)],
  ];
  const asRoot = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  const child = spawn('mpirun', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...asRoot, FIRST: String(first), CORES: String(cores), LP_NUM_THREADS: '1' },
  });
  const ended = Promise.all([once(child, 'exit'), text(child.stdout)]).then(([[code, signal], stdout]) => ({
    stdout,
    failure: code === 0 ? null : `mpirun ${args.join(' ')}: ${code === null ? signal : `exit code ${code}`}`,
  }));
  return { child, ended };
}

/**
 * Runs a script on one rank of core 1, again and again, until it is told to stop.
 * @param {string} script
 * @param {Layout} layout
 * @param {AbortSignal} signal
 */
async function keepBusy(script, layout, signal) {
  while (!signal.aborted) {
    const { child, ended } = start(script, layout, 1);
    const stop = () => child.kill();
    signal.addEventListener('abort', stop, { once: true });
    const { failure } = await ended;
    signal.removeEventListener('abort', stop);
    if (failure !== null && !signal.aborted) throw new Error(failure);
  }
}

/**
 * Runs a script on the ranks of a layout; beside another such job where the layout asks for that.
 * @param {string} script
 * @param {Layout} layout
 * @returns {Promise<any>} what rank 0 prints
 */
async function measure(script, layout) {
  const started = performance.now();
  const stop = new AbortController();
  const { ended } = start(script, layout);
  const other = layout.beside ? keepBusy(script, layout, stop.signal) : null;
  const finished = ended.finally(() => stop.abort());
  // The other job ends first only by a failure.
  const [{ stdout, failure }] = await Promise.all([finished, other]);
  if (failure !== null) throw new Error(failure);
  const seconds = (performance.now() - started) / 1000;
  const words = layout.beside ? 'beside another job' : (layout.between ?? 'alone');
  process.stderr.write(`${script}: ${layout.ranks} ranks, ${words}: ${seconds.toFixed(0)} s\n`);
  return JSON.parse(stdout);
}

/** @param {number} rounds */
async function measureAll(rounds) {
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
    for (const layout of layouts) steps.push({ ...layout, ...(await measure('steps.mjs', layout)) });
  const several = layouts.filter(({ ranks }) => ranks > 1);
  /** @type {import('./tables.mjs').SumsOf[]} */
  const sums = [];
  for (const layout of several) sums.push({ ...layout, ...(await measure('sums.mjs', layout)) });
  const [pair] = several;
  const pieces = pair ? await measure('pieces.mjs', pair) : [];
  return { ...machine, seconds: (performance.now() - started) / 1000, steps, sums, pieces };
}

const [asked = '3'] = process.argv.slice(2);
if (asked !== 'page') {
  const rounds = Number(asked);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`${asked}: write a number of rounds, or page`);
  mkdirSync(out, { recursive: true });
  writeFileSync(file, `${JSON.stringify(await measureAll(rounds))}\n`);
}
writeFileSync(join(out, 'README.md'), page(JSON.parse(readFileSync(file, 'utf8'))));
