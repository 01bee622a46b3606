// Tests of starting programs: exit codes, signals, and a starter that is killed.
import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runToEnd } from '../src/run-to-end.mjs';

describe('runToEnd', () => {
  const node = (script: string) => runToEnd(process.execPath, ['-e', script], { stdio: 'ignore' });
  it('returns exit codes, and 128 and more after a signal', async () => {
    expect(await node('process.exit(3)')).toBe(3);
    expect(await node('process.kill(process.pid, "SIGINT"); setInterval(() => {}, 9)')).toBe(130);
    expect(await node('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 9)')).toBe(143);
  });

  /**
   * A program that shows its signals and ends half a second after the first, or by itself after ten; started in a
   * process group of its own.
   */
  async function signalled(
    send: (pid: number) => Promise<void> | void,
    underNpm = false,
  ): Promise<{ output: string; code: unknown }> {
    const child = `for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {
        console.log(signal);
        setTimeout(() => { console.log('cleaned up'); process.exit(130); }, 500);
      });
      console.log('up'); setTimeout(() => console.log('left alone'), 10_000);`;
    const parent = `import { runToEnd } from ${JSON.stringify(new URL('../src/run-to-end.mjs', import.meta.url).href)};
      const script = ${JSON.stringify(child)};
      process.exit(await runToEnd(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit'] }));`;
    // As npm does, through a shell that stays.
    const npm = `const run = '"$NODE" --input-type=module -e "$PARENT"; exit $?';
      require('child_process').spawn('sh', ['-c', run], { stdio: 'inherit' });`;
    const started = spawn(process.execPath, underNpm ? ['-e', npm] : ['--input-type=module', '-e', parent], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      env: { ...process.env, NODE: process.execPath, PARENT: parent, ...(underNpm && { npm_lifecycle_event: 'some' }) },
    });
    let output = '';
    started.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('up\n') && output === '') void send(started.pid!);
      output += text;
    });
    const code = await new Promise((resolve) => started.on('close', resolve));
    return { output, code };
  }
  const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 60));

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'hands %s on and waits for the program to clean up',
    async (signal) => {
      const ended = await signalled((pid) => void process.kill(pid, signal));
      expect(ended).toEqual({ output: `up\n${signal}\ncleaned up\n`, code: 130 });
    },
  );

  it.skipIf(process.platform === 'win32').each(['SIGINT', 'SIGTERM'] as const)(
    'hands %s on to nobody who has it: from the whole group, and passed on by npm as well',
    async (signal) => {
      const group = await signalled((pid) => void process.kill(-pid, signal));
      expect(group).toEqual({ output: `up\n${signal}\ncleaned up\n`, code: 130 });
      const both = await signalled(async (pid) => {
        process.kill(-pid, signal);
        await soon();
        process.kill(pid, signal);
      });
      expect(both).toEqual(group);
      const other = await signalled(async (pid) => {
        process.kill(pid, signal);
        await soon();
        process.kill(pid, signal);
      });
      expect(other).toEqual(group);
    },
  );

  it.skipIf(process.platform === 'win32')('ends the program when its starter is killed', async () => {
    const { output } = await signalled((pid) => void process.kill(pid, 'SIGKILL'));
    expect(output).toBe('up\nSIGTERM\ncleaned up\n');
  });

  it.skipIf(process.platform !== 'linux')('ends the program when npm is gone and its shell is not', async () => {
    const { output } = await signalled((pid) => void process.kill(pid, 'SIGHUP'), true);
    expect(output).toBe('up\nSIGTERM\ncleaned up\n');
  });
});
