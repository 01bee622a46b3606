// Tests of the set-up's decisions: versions, probe results, kept choices, locks and arguments.
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseArguments } from './command.mjs';
import { type Gpu, stillHolds } from './index.mjs';
import { isRecentMesa, mesaVersion, parseProbe } from './probe.mjs';
import { cacheFolder, execute, readJson, withLock, writeJson } from './system.mjs';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossgate-setup-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('Mesa versions', () => {
  it('are read from an adapter description', () => {
    expect(mesaVersion('llvmpipe: Mesa 26.1.6-1 (LLVM 21.1.8)')).toBe('26.1.6');
    expect(mesaVersion('SwiftShader driver 5.0.0')).toBeNull();
  });
  it('are recent from 26 on', () => {
    expect(['22.3.6', '25.3.9', '26.0.0', '100.1'].map(isRecentMesa)).toEqual([false, false, true, true]);
    expect(isRecentMesa(null)).toBe(false);
  });
});

describe('parseProbe', () => {
  const adapter = { vendor: 'mesa', architecture: 'software', name: 'llvmpipe', description: 'llvmpipe: Mesa 25.0.7' };

  it('takes the last line that is a result, past what a driver prints', () => {
    const stdout = `driver: hello\n${JSON.stringify({ adapter: { ...adapter, fallback: false }, f16: true })}\n`;
    expect(parseProbe({ stdout })).toMatchObject({ software: true, mesa: '25.0.7', f16: true, subgroupMatrix: false });
  });
  it('does not take a GPU for software', () => {
    const gpu = {
      vendor: 'nvidia',
      architecture: 'hopper',
      name: 'h100',
      description: 'NVIDIA: 580.1',
      fallback: false,
    };
    expect(parseProbe({ stdout: JSON.stringify({ adapter: gpu }) })).toMatchObject({ software: false, mesa: null });
  });
  it('knows no adapter, and no result at all', () => {
    expect(parseProbe({ stdout: '{"adapter":null,"reason":"none"}' })).toMatchObject({ adapter: null, reason: 'none' });
    expect(parseProbe({ stdout: 'crashed\n{"other":1}' })).toBeUndefined();
  });
});

describe('stillHolds', () => {
  it('needs the same machine and every file', async () => {
    const node = join(folder, 'node');
    const driver = join(folder, 'driver.json');
    await writeFile(node, '');
    await writeFile(driver, '');
    const gpu = { machine: 'm', node, env: { VK_DRIVER_FILES: driver } } as unknown as Gpu;
    expect(await stillHolds(gpu, 'm')).toBe(true);
    expect(await stillHolds(gpu, 'other')).toBe(false);
    expect(await stillHolds(undefined, 'm')).toBe(false);
    await rm(driver);
    expect(await stillHolds(gpu, 'm')).toBe(false);
  });
});

describe('cacheFolder', () => {
  it('is one per user', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x', HOME: '/users/a' }, 'linux')).toBe(join('/x', 'crossgate', 'gpu'));
    expect(cacheFolder({ HOME: '/users/a' }, 'linux')).toBe(join('/users/a', '.cache', 'crossgate', 'gpu'));
    expect(cacheFolder({ HOME: '/Users/a' }, 'darwin')).toContain(join('Library', 'Caches'));
  });
});

describe('withLock', () => {
  it('lets one at a time in, and tells who waits', async () => {
    const path = join(folder, 'lock');
    let inside = 0;
    let most = 0;
    let waits = 0;
    const work = async () => {
      inside++;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside--;
    };
    await Promise.all([1, 2, 3].map(() => withLock(path, work, () => waits++)));
    expect([most, waits]).toEqual([1, 2]);
    expect(await readJson(path)).toBeUndefined();
  });
  it('takes over the lock of a process that died, and of one that went silent elsewhere', async () => {
    const path = join(folder, 'lock');
    const { stdout } = await execute(process.execPath, ['-p', 'process.pid']);
    await writeJson(path, { pid: Number(stdout), host: hostname() });
    expect(await withLock(path, async () => 'ran')).toBe('ran');
    await writeJson(path, { pid: 1, host: 'elsewhere' });
    const longAgo = new Date(Date.now() - 120_000);
    await utimes(path, longAgo, longAgo);
    expect(await withLock(path, async () => 'ran')).toBe('ran');
  });
  it('is freed when the work fails', async () => {
    const path = join(folder, 'lock');
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await withLock(path, async () => 1)).toBe(1);
  });
});

describe('parseArguments', () => {
  it('reads options in both spellings', () => {
    expect(parseArguments(['--force', 'prefix', '--json'])).toMatchObject({ force: 'prefix', json: true });
    expect(parseArguments(['--force=swiftshader', '--refresh'])).toMatchObject({ force: 'swiftshader', refresh: true });
  });
  it('names what is wrong', () => {
    expect(parseArguments(['--force', 'magic']).wrong).toContain("not 'magic'");
    expect(parseArguments(['--force']).wrong).toContain('--force takes one of');
    expect(parseArguments(['--fast']).wrong).toBe("unknown option '--fast'");
  });
});

it('reports a program that is missing, fails, or is ended', async () => {
  expect((await execute(join(folder, 'absent'), [])).code).toBe(127);
  expect((await execute(process.execPath, ['-e', 'process.exit(4)'])).code).toBe(4);
  expect((await execute(process.execPath, ['-e', 'setInterval(()=>{},9)'], { timeout: 200 })).signal).toBe('SIGKILL');
});
