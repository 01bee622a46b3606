// Runs programs with the terminal passed through: exit codes and signals arrive as if they were started directly.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { moment, startWitness } from './witness.mjs';

/** The exit code a shell gives a program that a signal ended: 128 and the signal's number. */
function signalExitCode(/** @type {NodeJS.Signals} */ signal) {
  return 128 + (constants.signals[signal] ?? 0);
}

/**
 * Runs a program to its end and returns its exit code. Hands on every signal that the program does not have already:
 * one that came to the whole process group (Ctrl-C in a terminal) reached it too, and npm passes on what came to the
 * group. When this process is killed, the program gets SIGTERM (not on Windows).
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<number>} 130 after Ctrl-C, 127 when the program is not there
 */
export function runToEnd(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, options);
    const witness = startWitness(child.pid);
    /** Signals that the child got a moment ago. @type {Set<NodeJS.Signals>} */
    const recent = new Set();
    let asked = false;
    const pass = async (/** @type {NodeJS.Signals} */ signal) => {
      asked = true;
      if (recent.has(signal)) return;
      recent.add(signal);
      setTimeout(() => recent.delete(signal), moment).unref();
      if (!(await witness.saw(signal))) child.kill(signal);
    };
    const signals = /** @type {NodeJS.Signals[]} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
    for (const signal of signals) process.on(signal, pass);
    // Ended by a signal, npm takes at most its shell along, so the program would run on unseen.
    const started = starters();
    const watch = setInterval(() => {
      if (!process.env.npm_lifecycle_event || starters() === started) return;
      clearInterval(watch);
      if (!asked) void pass('SIGTERM');
    }, 250);
    const finish = (/** @type {number} */ code) => {
      clearInterval(watch);
      witness.end();
      for (const signal of signals) process.off(signal, pass);
      resolve(code);
    };
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      finish(127);
    });
    child.on('exit', (code, signal) => finish(signal ? signalExitCode(signal) : (code ?? 1)));
  });
}

/** The processes that stand for npm: our parent, and where that is npm's shell also its parent, which Linux tells. */
function starters() {
  const parent = process.ppid;
  try {
    const isShell = readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0')[1] === '-c';
    // State and parent follow the name, which may hold anything.
    const [, , grandparent] = readFileSync(`/proc/${parent}/stat`, 'utf8').split(')').at(-1)?.split(' ') ?? [];
    return isShell ? `${parent} ${grandparent}` : `${parent}`;
  } catch {
    return `${parent}`;
  }
}
