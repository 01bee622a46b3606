/** Disks that take no more in the middle of a run: one clear line, the checkpoint before is good, and the run goes on. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describeError } from '@crossgate/core';
import { MetricsLog, ResumableError, readMetrics } from '@crossgate/experiment';
import { writeAtomic } from '@crossgate/files';
import { listAdapters } from '@crossgate/gpu/node';
import { exitCodeOf } from '@crossgate/terminal';
import { folderWith, listing, resumeIfBegun } from '@crossgate/testing/node';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { built, startProgram } from './program';
import { hashRun, tinyRuns } from './tiny-runs';

const adapters = await listAdapters();

const mounted: string[] = [];
/** Mounts a file system of `bytes` in memory; false where that is not allowed. */
function mountSmall(path: string, bytes: number): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', path]);
  if (status === 0) mounted.push(path);
  return status === 0;
}
function unmountAll(): void {
  for (const path of mounted.splice(0)) spawnSync('umount', [path]);
}
afterEach(unmountAll);

const canMount = await (async () => {
  const path = await folderWith();
  const can = mountSmall(path, 4096);
  unmountAll();
  return can;
})();

/** Fills a disk to the last byte; returns the file to remove. */
async function fill(folder: string): Promise<string> {
  const ballast = join(folder, 'ballast');
  for (const size of [4096, 1]) {
    for (let done = false; !done; ) {
      await appendFile(ballast, Buffer.alloc(size)).catch(() => {
        done = true;
      });
    }
  }
  return ballast;
}

const error = (code: string, path?: string) =>
  Object.assign(new Error(`${code}: words, write`), { code, syscall: 'write', path });

describe('the words for a disk that takes no more', () => {
  it.each(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'])('%s names the file and what to do', (code) => {
    expect(exitCodeOf(error(code, '/r/metrics.jsonl'))).toBe(1);
    expect(describeError(error(code, '/r/metrics.jsonl'))).toMatch(/^\/r\/metrics\.jsonl: .*and run again$/);
    expect(new ResumableError(error(code, '/r/x')).message).toMatch(
      /with --resume the run goes on from its last check/,
    );
  });
});

describe.skipIf(!canMount)('a full disk (needs the right to mount one)', () => {
  it('leaves a file as it was, and names it', async () => {
    const folder = await folderWith();
    mountSmall(folder, 64 << 10);
    const path = join(folder, 'a.json');
    await writeAtomic(path, 'old');
    const ballast = await fill(folder);
    const failure = await writeAtomic(path, 'x'.repeat(9000)).then(
      () => undefined,
      (caught) => caught,
    );
    expect(describeError(failure)).toBe(`${path}: no space left on the device; free some and run again`);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await listing(folder)).toEqual(['a.json', 'ballast']);
    await rm(ballast);
  });

  it('leaves a log whose length is that of its whole lines', async () => {
    const folder = await folderWith();
    mountSmall(folder, 64 << 10);
    const log = new MetricsLog(folder);
    log.append({ phase: 'cf', step: 1 });
    const ballast = await fill(folder);
    let before = log.bytes;
    const untilFull = () => {
      for (let step = 2; step < 1000; step++) {
        before = log.bytes;
        log.append({ phase: 'cf', step, note: 'x'.repeat(1000) });
      }
    };
    expect(untilFull).toThrow(/ENOSPC/);
    expect(log.bytes).toBe(before);
    await rm(ballast);
    log.append({ phase: 'cf', step: 1000 });
    log.close();
    expect(readMetrics(join(folder, 'metrics.jsonl')).at(-1)).toMatchObject({ step: 1000 });
  });
});

describe.skipIf(!built || adapters.length === 0)('a run (needs dist/ and a GPU)', { timeout: 300_000 }, () => {
  let cwd: string;
  let expected: string;
  /** File operations of a whole run. */
  let operations: number;
  const train = (run: string) => ['train', 'mf.yaml', '--run', run, ...resumeIfBegun(resolve(cwd, run))];
  const preload = join(import.meta.dirname, 'fail-at.mjs');

  beforeAll(async () => {
    cwd = await tinyRuns(await mkdtemp(join(tmpdir(), 'crossgate-test-')));
    const trace = join(cwd, 'trace');
    const env = { FAIL_IN: join(cwd, 'whole'), FAIL_TRACE: trace };
    const whole = await startProgram(train('whole'), { cwd, preload, env }).ended;
    operations = (await readFile(trace, 'utf8')).trimEnd().split('\n').length;
    expect(whole.code, whole.stderr).toBe(0);
    expected = await hashRun(join(cwd, 'whole'));
    return () => rm(cwd, { recursive: true, force: true });
  });

  function expectClear(ended: { code: number | null; stdout: string; stderr: string }, words: RegExp): void {
    expect({ code: ended.code, stdout: ended.stdout }, ended.stderr).toEqual({ code: 1, stdout: '' });
    const errors = ended.stderr.split('\n').filter((line) => line.startsWith('error'));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(words);
    expect(ended.stderr).not.toMatch(/^\s+at /m);
  }

  // The first checkpoint, a later one, the last files.
  it.each([0.05, 0.5, 0.99])('ends in one line when the disk fills up at %d of its way', async (share) => {
    const trace = join(cwd, `trace${share}`);
    const run = `run${share}`;
    const watched = (folder: string, at: number) => ({
      cwd,
      preload,
      env: { FAIL_IN: join(cwd, folder), FAIL_AT: String(at), FAIL_WITH: 'ENOSPC', FAIL_TRACE: trace },
    });
    const at = Math.ceil(share * operations);
    expectClear(
      await startProgram(train(run), watched(run, at)).ended,
      /run[\d.]+\/.*: no space left on the device; free some and run again(; with --resume the run goes on)?/,
    );
    if (existsSync(join(cwd, run))) {
      expect((await listing(join(cwd, run))).filter((name) => /partial|tmp|run\.lock/.test(name))).toEqual([]);
      expect(existsSync(join(cwd, run, 'checkpoints/last.json'))).toBe(true);
    }
    const rest = await startProgram(train(run), { cwd }).ended;
    expect(rest.code, rest.stderr).toBe(0);
    expect(await hashRun(join(cwd, run))).toBe(expected);
  });

  it.skipIf(!canMount)('ends in one line when the disk is full, and goes on once there is room', async () => {
    const disk = join(cwd, 'disk');
    await mkdir(disk);
    mountSmall(disk, 1 << 20);
    const run = join(disk, 'run');
    const { ended } = startProgram(train(run), { cwd });
    while (!existsSync(join(run, 'checkpoints/last.json'))) await new Promise((resolve) => setTimeout(resolve, 2));
    const ballast = await fill(disk);
    expectClear(await ended, /disk\/run\/.*: no space left on the device; free some .*; with --resume the run/);
    const again = await startProgram(train(run), { cwd }).ended;
    expectClear(again, /disk\/run\/.*: no space left on the device/);
    await rm(ballast);
    const rest = await startProgram(train(run), { cwd }).ended;
    expect(rest.code, rest.stderr).toBe(0);
    expect(await hashRun(run)).toBe(expected);
  });
});
