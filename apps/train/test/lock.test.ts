/** The lock of a run folder between real processes, and between many at once. */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { loadConfig, RunFolder } from '@crossgate/experiment';
import { acquireLock, type Lock } from '@crossgate/files';
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, listing } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { built, startProgram } from './program';
import { hashRun, tinyRuns } from './tiny-runs';

const adapters = await listAdapters();
const dead = JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), started: '1' });
const provenance = { crossgate: '0', node: 'v20', platform: 'test', adapter: null, dataHash: 'abc' };

describe('a lock that many want at once', () => {
  it.each([
    ['is free', undefined],
    ['is of a dead process', dead],
    ['is empty', ''],
  ])('goes to one of them when it %s', async (_name, text) => {
    const folder = await folderWith();
    const path = join(folder, 'run.lock');
    for (let round = 0; round < 3; round++) {
      if (text !== undefined) await writeFile(path, text);
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => acquireLock(path)));
      const won = results.filter((result) => result.status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(String(result.reason)).toMatch(/is writing this run/);
      }
      const lock = (won[0] as PromiseFulfilledResult<Lock>).value;
      await lock.check();
      await lock.release();
      expect(await listing(folder)).toEqual([]);
    }
  });

  it('is never seen without its holder', async () => {
    const path = join(await folderWith(), 'run.lock');
    let [reads, empty, running] = [0, 0, true];
    const watch = (async () => {
      while (running) {
        const text = await readFile(path, 'utf8').catch(() => undefined);
        if (text !== undefined) reads++;
        if (text === '') empty++;
      }
    })();
    for (let i = 0; i < 200; i++) await (await acquireLock(path)).release();
    running = false;
    await watch;
    expect(reads).toBeGreaterThan(0);
    expect(empty).toBe(0);
  });
});

describe('a lock that was lost', () => {
  it.each([
    ['deleted', undefined, /was deleted while/],
    [
      'taken by another process',
      JSON.stringify({ pid: 7, host: 'elsewhere', started: null }),
      /process 7 on elsewhere/,
    ],
  ])('because it was %s ends the run before it writes again', async (_name, text, words) => {
    const cwd = await folderWith({ 'mine.yaml': 'method: mean\n' });
    const config = await loadConfig('mine.yaml', { cwd, set: [] });
    const path = join(cwd, 'run');
    const run = await RunFolder.open(path, config, { resume: false });
    await run.begin(config, provenance);
    await rm(join(path, 'run.lock'));
    if (text !== undefined) await writeFile(join(path, 'run.lock'), text);
    await expect(run.saveCheckpoint('last', {}, '')).rejects.toThrow(words);
    await expect(run.write('result.json', '{}')).rejects.toThrow(words);
    const before = await listing(path);
    // Another process may be at work there: nothing of it is removed, nor its lock.
    await run.abandon();
    expect(await listing(path)).toEqual(before);
  });
});

describe('what a killed process left', () => {
  it('is removed when the run goes on', async () => {
    const cwd = await folderWith({ 'mine.yaml': 'method: mean\n' });
    const config = await loadConfig('mine.yaml', { cwd, set: [] });
    const path = join(cwd, 'run');
    const first = await RunFolder.open(path, config, { resume: false });
    await first.begin(config, provenance);
    await first.saveCheckpoint('last', { step: 1 }, 'weights');
    await first.close();
    const whole = await listing(path);
    for (const name of [
      '.config.yaml.12-0a1b2c3d.partial',
      'checkpoints/last-b.safetensors',
      'checkpoints/best-a.safetensors',
      'checkpoints/.last-b.safetensors.12-0a1b2c3d.partial',
    ]) {
      await writeFile(join(path, name), 'half');
    }
    await writeFile(join(path, 'notes.txt'), 'mine');
    const second = await RunFolder.open(path, config, { resume: true });
    await second.begin(config, provenance);
    await second.close();
    const boards = (name: string) => !name.includes('tfevents');
    expect((await listing(path)).filter(boards)).toEqual([...whole, 'notes.txt'].filter(boards).sort());
  });
});

describe.skipIf(!built || adapters.length === 0)('two processes (need dist/ and a GPU)', { timeout: 300_000 }, () => {
  it('cannot write one run; the second takes over once the first is killed', async () => {
    const cwd = await tinyRuns();
    const train = (run: string, ...more: string[]) =>
      startProgram(['train', 'mf.yaml', '--run', run, ...more], { cwd });
    const whole = await train('whole').ended;
    expect(whole.code, whole.stderr).toBe(0);
    const first = train('run');
    while (!existsSync(join(cwd, 'run/checkpoints/last.json'))) await new Promise((resolve) => setTimeout(resolve, 2));
    // Stopped, so that it cannot finish meanwhile: it holds the lock all the same.
    first.child.kill('SIGSTOP');
    const second = await train('run', '--resume').ended;
    expect({ code: second.code, stdout: second.stdout }).toEqual({ code: 2, stdout: '' });
    expect(second.stderr).toMatch(new RegExp(`run\\.lock: process ${first.child.pid} on .* is writing this run; wait`));
    first.child.kill('SIGKILL');
    const third = await train('run', '--resume').ended;
    expect(third.code, third.stderr).toBe(0);
    await first.ended;
    expect(await hashRun(join(cwd, 'run'))).toBe(await hashRun(join(cwd, 'whole')));
  });
});
