// Starts an installed program anew with the driver that the set-up brought.
import { mayNeedGpu } from './gpu-free.mjs';
import { keptGpu } from './resolve.mjs';
import { runToEnd } from './run-to-end.mjs';
import { say } from './system.mjs';

/**
 * Marks a program that was started anew, so that it is not started again. An option of Node without effect: unlike a
 * variable, it arrives even where the environment does not.
 */
const startedAnew = '--conditions=crossgate-started-anew';

/**
 * Where an earlier set-up brought a software driver, runs this process's program again with it: the driver may need
 * another Node binary and variables that only count when a process starts. Nothing is searched or installed.
 * @param {string} program name of the program, as `mayNeedGpu` knows it
 * @param {string[]} args its arguments
 * @returns {Promise<number | undefined>} the exit code of that run; undefined where this process is the one to go on:
 *   it needs no GPU, it has the driver, it was started anew already, or there is no choice of a software driver that
 *   holds
 */
export async function startWithGpu(program, args) {
  if (!mayNeedGpu(program, args)) return undefined;
  const gpu = await keptGpu();
  if (!gpu || gpu.kind === 'hardware') return undefined;
  const inForce =
    gpu.node === process.execPath && Object.entries(gpu.env).every(([key, value]) => process.env[key] === value);
  if (inForce) return undefined;
  if (process.execArgv.includes(startedAnew)) {
    const names = Object.keys(gpu.env).join(' and ');
    say(`${gpu.node} starts without ${names}, so ${gpu.label} is not used. To choose again: crossgate setup --refresh`);
    return undefined;
  }
  return runToEnd(gpu.node, [...process.execArgv, startedAnew, process.argv[1] ?? '', ...args], {
    env: { ...process.env, ...gpu.env },
    stdio: 'inherit',
  });
}
