// Starts `crossgate serve` as a process of its own.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../apps/train/dist/main.js', import.meta.url));

/**
 * Starts a server and waits until it listens.
 * @param {string} run path of the run folder
 * @param {readonly string[]} args further options
 */
export async function startServer(run, args) {
  const child = spawn(process.execPath, [program, 'serve', run, '--port', '0', '--json', '--quiet', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  /** @type {number | string | null | undefined} */
  let code;
  const ended = new Promise((resolve) =>
    child.once('exit', (status, signal) => {
      code = status ?? signal;
      resolve(code);
    }),
  );
  let text = '';
  /** @type {{ url: string, port: number, method: string, adapter: string, parts: { cf: boolean, llm: boolean } }} */
  const ready = await new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (/"url".*}\s*$/s.test(text)) resolve(JSON.parse(text));
    });
    ended.then((status) => reject(new Error(`crossgate serve ended with ${status}`)));
  });
  return {
    ...ready,
    alive: () => code === undefined,
    /** Resident memory in bytes. */
    memory: () => 1024 * Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0),
    /** Asks it to end, and gives the exit code and the seconds that took. */
    async stop() {
      const began = performance.now();
      child.kill('SIGTERM');
      return { code: await ended, seconds: Math.round(performance.now() - began) / 1000 };
    },
    async kill() {
      if (code === undefined) child.kill('SIGKILL');
      await ended;
    },
  };
}
