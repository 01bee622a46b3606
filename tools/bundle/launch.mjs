// What run.sh starts: sets up the Vulkan loader and driver for one program, starts it, and hands on signals and exit
// code.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../../packages/setup/src/run-to-end.mjs';
import { findDriver, findLoader, manifestFor } from './driver.mjs';

const bundle = dirname(dirname(fileURLToPath(import.meta.url)));
const usage = `Usage: run.sh COMMAND [ARGS]

  doctor          the GPUs that are there, and which one would be used
  verify          every kernel and variant against float64; --out FILE keeps the JSON
  bench           every kernel's time as JSON, beside the adapter's ceilings, and beside PyTorch where python3 has torch
  demo            CCF-LLM beside its parents on a generated world, with the carried model
  train CONFIG    one experiment; CONFIG is a file, or a name in the bundle such as configs/demo/smoke.yaml
  peers, kernels  parts of bench, as tables; kernels --shapes gpu: at the sizes of large models
  probe           features, speed and memory of an unknown card, in minutes
  training        whole trainings; training --step 7b: one step of a language model of 7 billion parameters
  COMMAND         any other command of crossgate: run.sh --help-all lists them

Environment: CROSSGATE_DATA and CROSSGATE_MODELS (folders of data sets and models), VK_DRIVER_FILES (a driver's
manifest), CROSSGATE_NODE (another Node binary), CROSSGATE_ADAPTER (as --adapter).
`;

/**
 * The program and arguments of a command line.
 * @param {string[]} args
 * @returns {{ program: 'train' | 'bench', args: string[] } | undefined} undefined: show the usage
 */
export function planCommand([command = '', ...rest]) {
  if (['', 'help', '-h', '--help'].includes(command)) return undefined;
  if (command === '--help-all') return { program: 'train', args: ['--help'] };
  if (command === 'verify') return { program: 'bench', args: ['verify', ...rest] };
  if (command === 'bench') return { program: 'bench', args: ['kernels', '--json', '--peers', ...rest] };
  if (['kernels', 'peers', 'probe', 'training'].includes(command))
    return { program: 'bench', args: [command, ...rest] };
  if (command !== 'train') return { program: 'train', args: [command, ...rest] };
  const [config = '', ...options] = rest;
  return { program: 'train', args: ['train', ...(config === '' ? [] : [findConfig(config)]), ...options] };
}

/** A config as given, or one of the bundle's. */
function findConfig(/** @type {string} */ name) {
  const places = [resolve(name), join(bundle, name), join(bundle, 'configs', name)];
  return places.find((path) => existsSync(path)) ?? name;
}

function readLdconfig() {
  for (const program of ['ldconfig', '/sbin/ldconfig', '/usr/sbin/ldconfig']) {
    try {
      return execFileSync(program, ['-p'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      // Not in PATH, or a system without it: folders are searched as well.
    }
  }
  return '';
}

async function main() {
  const plan = planCommand(process.argv.slice(2));
  if (plan === undefined) {
    process.stdout.write(usage);
    return process.argv.length > 2 ? 0 : 2;
  }
  const machine = { env: process.env, ldconfig: readLdconfig() };
  const loader = findLoader(machine, join(bundle, 'lib', 'vulkan'));
  const driver = findDriver(machine);
  process.stderr.write(`run.sh: ${driver.description}; ${loader.description}\n`);
  if (driver.missing) process.stderr.write(`run.sh: ${driver.missing}\n`);
  const folders = [process.env.LD_LIBRARY_PATH ?? '', ...driver.folders, ...loader.folders].filter(Boolean);
  let written;
  try {
    const env = { ...process.env };
    if (folders.length > 0) env.LD_LIBRARY_PATH = folders.join(':');
    if (driver.manifest) env.VK_DRIVER_FILES = driver.manifest;
    if (driver.library) {
      // The bundle may lie on a file system that cannot be written.
      written = mkdtempSync(join(tmpdir(), 'crossgate-'));
      env.VK_DRIVER_FILES = join(written, 'nvidia_icd.json');
      writeFileSync(env.VK_DRIVER_FILES, manifestFor(driver.library));
    }
    const program = join(bundle, 'app', plan.program, 'main.js');
    return await runToEnd(process.execPath, [program, ...plan.args], { env, stdio: 'inherit' });
  } finally {
    if (written) rmSync(written, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
