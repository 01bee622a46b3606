// A shell beside a program that was started: it tells whether a signal came to our whole process group, as Ctrl-C in a
// terminal does, or to this process alone; and it ends the program when this process is killed and cannot.
import { spawn } from 'node:child_process';

/** Signals that are one request when they come within this time, in milliseconds. */
export const moment = 1000;

/**
 * A shell that says which signals it gets, and answers every line that it reads with a dot. When its input ends, this
 * process is gone: it asks the program to end.
 */
const script = `
for name in INT TERM HUP; do trap "echo SIG$name; trapped=1" "$name"; done
while :; do
  if read -r line; then echo .; elif [ -z "$trapped" ]; then kill "$1"; exit; else trapped=; fi
done`;

/**
 * Starts the witness: a shell in the process group of this process. A signal is pending there before this process hears
 * of its own copy, and a shell runs its traps before the next command; so its answer to a line comes after all it has
 * to say.
 * @param {number | undefined} program process that gets SIGTERM when this one goes before `end()`, be it by SIGKILL;
 *   undefined where it did not start
 * @returns {{ saw(signal: NodeJS.Signals): Promise<boolean>, end(): void }} `saw` tells whether the group got the
 *   signal a moment ago; never where there is no shell
 */
export function startWitness(program) {
  if (process.platform === 'win32') {
    // A console gives its signals to every program in it.
    return { saw: async (signal) => signal !== 'SIGTERM', end() {} };
  }
  const shell = spawn('sh', ['-c', script, 'witness', String(program ?? '')], { stdio: ['pipe', 'pipe', 'ignore'] });
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {(() => void)[]} */
  let waiting = [];
  let text = '';
  const release = () => {
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  shell.stdout.setEncoding('utf8').on('data', (/** @type {string} */ piece) => {
    const lines = (text + piece).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '.') waiting.shift()?.();
      else seen.set(line, Date.now());
    }
  });
  // Without a shell, or when somebody ends it, nobody is kept waiting.
  let gone = false;
  const onGone = (/** @type {unknown} */ _, /** @type {NodeJS.Signals | null} */ signal = null) => {
    gone = true;
    // A signal before its traps were set.
    if (signal) seen.set(signal, Date.now());
    release();
  };
  shell.on('error', onGone).on('close', onGone);
  shell.stdin.on('error', () => {});
  return {
    async saw(signal) {
      if (!gone) {
        const answered = new Promise((resolve) => waiting.push(() => resolve(undefined)));
        shell.stdin.write('\n');
        await answered;
      }
      return Date.now() - (seen.get(signal) ?? Number.NEGATIVE_INFINITY) < moment;
    },
    end() {
      shell.kill('SIGKILL');
    },
  };
}
