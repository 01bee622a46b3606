/** The built program as a process: a Ctrl-C that arrives several times. Needs `dist/`, which `npm test` builds. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { listAdapters } from '@crossgate/gpu/node';
import { describe, expect, it } from 'vitest';

const program = join(import.meta.dirname, '../dist/main.js');
const adapters = await listAdapters();

describe.skipIf(!existsSync(program) || adapters.length === 0)('crossgate-bench (dist/main.js)', () => {
  it('takes one Ctrl-C that comes several times for one', async () => {
    const child = spawn(process.execPath, [program, 'training', '--filter', 'cf mf', '--epochs', '1000', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const send = async () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) {
        child.kill(signal);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    child.stderr
      .once('data', () => void send())
      .on('data', (chunk) => {
        stderr += chunk;
      });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code, stderr).toBe(130);
    expect(stderr).toMatch(/\nstopping \(once more to stop at once\)\n.*interrupted\n$/s);
    // An end at once says nothing of this.
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'interrupted', message: 'interrupted' } });
  });
});
