// Tests of the set-up's decisions: versions, probe results, kept choices, locks.
import { cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endedLoading, isRecentMesa, mesaVersion, parseProbe } from '../src/probe.mjs';
import { advice, type Gpu, keptFailure, kinds, stillHolds } from '../src/resolve.mjs';
import { cacheFolder, execute, mustExecute, readJson, withLock, withProxies, writeJson } from '../src/system.mjs';

const sources = join(import.meta.dirname, '../src');
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
  it('tells an add-on that does not load from a driver that does not work', () => {
    expect(parseProbe({ stdout: JSON.stringify({ adapter, f16: true }) })).toMatchObject({ addOn: true });
    expect(parseProbe({ stdout: '{"addOn":"loading"}\n{"adapter":null,"reason":"r","addOn":"failed"}' })).toMatchObject(
      {
        addOn: false,
        reason: 'r',
      },
    );
    expect(endedLoading({ stdout: '{"addOn":"loading"}\n' })).toBe(true);
    expect(endedLoading({ stdout: '{"addOn":"loading"}\n{"addOn":"loaded"}\n' })).toBe(false);
    expect(endedLoading({ stdout: '' })).toBe(false);
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

describe('a search in vain', () => {
  it('holds as long as the machine is the same', () => {
    const kept = { failure: 'no usable GPU.', at: '2026-01-02', machine: 'm' };
    expect(keptFailure(kept, 'm')).toBe(
      'no usable GPU. (tried on 2026-01-02; to try again: npm run setup -- --refresh)',
    );
    expect(keptFailure(kept, 'other')).toBeUndefined();
    expect(keptFailure({ machine: 'm', node: 'n' } as never, 'm')).toBeUndefined();
    expect(keptFailure(undefined, 'm')).toBeUndefined();
  });
});

// Package managers that only keep what they were asked stand in for the machine's.
describe.skipIf(process.platform !== 'linux')('the set-up of a machine without a GPU', () => {
  async function machineWith(webgpu: string) {
    await cp(sources, join(folder, 'packages', 'setup', 'src'), { recursive: true });
    await mkdir(join(folder, 'packages/setup/node_modules/webgpu'), { recursive: true });
    await writeFile(join(folder, 'packages/setup/package.json'), '{}');
    await writeFile(join(folder, 'packages/setup/node_modules/webgpu/package.json'), '{"type":"module","main":"i.js"}');
    await writeFile(join(folder, 'packages/setup/node_modules/webgpu/i.js'), webgpu);
    await mkdir(join(folder, 'bin'));
    for (const name of ['apt-get', 'apt-cache', 'dpkg', 'npm']) {
      const script = `#!/bin/sh\necho ${name} "$@" >> ${join(folder, 'asked')}\n[ "$1" = --version ]\n`;
      await writeFile(join(folder, 'bin', name), script, { mode: 0o755 });
    }
    const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache'), VK_DRIVER_FILES: '', npm_execpath: '' };
    return async (options: { refresh?: boolean } = {}) => {
      await rm(join(folder, 'asked'), { force: true });
      const script = `import { NoGpuError, resolveGpu } from ${JSON.stringify(join(folder, 'packages/setup/src/resolve.mjs'))};
        await resolveGpu(${JSON.stringify(options)}).catch((error) => {
          if (!(error instanceof NoGpuError)) throw error;
          console.error(error.message);
          process.exit(3);
        });`;
      const { code, stderr } = await execute(process.execPath, ['--input-type=module', '-e', script], {
        env: { ...env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
      });
      const asked = await readFile(join(folder, 'asked'), 'utf8').catch(() => '');
      return { code, stderr, asked: asked.replace(/building-\d+/g, 'building') };
    };
  }

  it.each([
    [
      'says why it does not load',
      "throw new Error('dawn.node: invalid ELF header');",
      /dawn\.node: invalid ELF header/,
    ],
    ['ends the process', "process.kill(process.pid, 'SIGBUS'); await new Promise(() => {});", /ended with SIGBUS/],
  ])('installs no driver where the add-on %s', async (_name, webgpu, reason) => {
    const setUp = await machineWith(webgpu);
    for (let time = 0; time < 2; time++) {
      const { code, stderr, asked } = await setUp();
      expect({ code, asked }).toEqual({ code: 3, asked: '' });
      expect(stderr).toMatch(reason);
      expect(stderr).toMatch(/no usable GPU\. .* no fault of a driver\. Delete node_modules and run again/);
    }
  });

  it('installs nothing on the machine, remembers that it failed, and tries again when told to', async () => {
    const setUp = await machineWith(
      'export const globals = {}; export const create = () => ({ requestAdapter() {} });',
    );
    const first = await setUp();
    expect(first.code).toBe(3);
    expect(first.stderr).toContain(advice('linux'));
    // Of a package manager, only what stays in the private folder.
    for (const line of first.asked
      .split('\n')
      .filter((each) => each.startsWith('apt-get') && !each.includes('--version')))
      expect(line).toContain(`-c ${join(folder, 'cache')}`);
    const second = await setUp();
    expect({ code: second.code, asked: second.asked }).toEqual({ code: 3, asked: '' });
    expect(second.stderr).toMatch(/tried on 20\d\d-.*; to try again: npm run setup -- --refresh/);
    const third = await setUp({ refresh: true });
    expect({ code: third.code, asked: third.asked }).toEqual({ code: 3, asked: first.asked });
    expect(kinds).not.toContain('distribution');
  });
});

describe('starting with the driver that was set up', () => {
  const shows = 'console.log(JSON.stringify([process.execPath, process.env.VK_DRIVER_FILES, process.argv.slice(2)]))';

  /** Runs a program that starts itself anew where a set-up says so. */
  async function run({ kind, node = process.execPath }: { kind: string; node?: string }, ...args: string[]) {
    const cache = join(folder, 'cache');
    const driver = join(folder, 'driver.json');
    await writeFile(driver, '{}');
    const program = join(folder, 'program.mjs');
    const source = JSON.stringify(join(sources, 'start-with-gpu.mjs'));
    await writeFile(
      program,
      `import { startWithGpu } from ${source};
      const ended = await startWithGpu('crossgate', process.argv.slice(2));
      if (ended !== undefined) process.exit(ended);
      ${shows}; process.exit(7);`,
    );
    const env = { ...process.env, XDG_CACHE_HOME: cache, VK_DRIVER_FILES: '', VK_ICD_FILENAMES: '' };
    const about = `import { describeMachine } from ${JSON.stringify(join(sources, 'resolve.mjs'))};
      console.log(await describeMachine());`;
    const machine = (await execute(process.execPath, ['--input-type=module', '-e', about], { env })).stdout.trim();
    const gpu = { kind, node, label: 'a driver', env: { VK_DRIVER_FILES: driver }, machine };
    await writeJson(join(cache, 'crossgate', 'gpu', `choice-${process.version}-${process.arch}.json`), gpu);
    const { code, stdout, stderr } = await execute(process.execPath, [program, ...args], { env });
    const shown = JSON.parse(stdout || '[]') as [string, string | null, string[]];
    return { code, shown, stderr, driver };
  }

  it('happens for commands that need a GPU, with their arguments and exit code', async () => {
    const { code, shown, stderr, driver } = await run({ kind: 'swiftshader' }, 'train', 'a.yaml');
    const expected = [process.execPath, driver, ['train', 'a.yaml']];
    expect({ code, shown, stderr }).toEqual({ code: 7, shown: expected, stderr: '' });
  });
  it.each([
    ['a command without a GPU', 'swiftshader', 'metrics'],
    ['a set-up that chose the hardware', 'hardware', 'train'],
  ])('does not happen for %s', async (_name, kind, command) => {
    const { shown, stderr } = await run({ kind }, command);
    expect([shown[1], stderr]).toEqual(['', '']);
  });
  it.skipIf(process.platform === 'win32')('happens once where the environment does not arrive', async () => {
    const node = join(folder, 'node');
    const starts = join(folder, 'starts');
    // It gives up after a few, so that a program without an end fails here.
    const script = `echo >> ${starts}; [ $(wc -l < ${starts}) -lt 4 ] || exit 99
      exec env -i XDG_CACHE_HOME=${join(folder, 'cache')} ${process.execPath} "$@"`;
    await writeFile(node, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const { code, shown, stderr } = await run({ kind: 'swiftshader', node }, 'train');
    expect({ code, shown }).toEqual({ code: 7, shown: [process.execPath, null, ['train']] });
    expect(stderr).toMatch(/^setup: .*VK_DRIVER_FILES.*crossgate setup --refresh.*\n$/);
    expect(await readFile(starts, 'utf8')).toBe('\n');
  });
});

describe('cacheFolder', () => {
  it('is one per user', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x', HOME: '/users/a' }, 'linux')).toBe(join('/x', 'crossgate', 'gpu'));
    expect(cacheFolder({ HOME: '/users/a' }, 'linux')).toBe(join('/users/a', '.cache', 'crossgate', 'gpu'));
    expect(cacheFolder({ HOME: '/Users/a' }, 'darwin')).toContain(join('Library', 'Caches'));
  });
});

describe('proxies', () => {
  it('are named in both cases, the lower one first and empty ones not at all', () => {
    expect(withProxies({ HTTP_PROXY: 'http://p:1', no_proxy: 'a', NO_PROXY: 'b', https_proxy: '', A: 'a' })).toEqual({
      HTTP_PROXY: 'http://p:1',
      http_proxy: 'http://p:1',
      no_proxy: 'a',
      NO_PROXY: 'a',
      https_proxy: '',
      A: 'a',
    });
  });
  it('reach the programs that set-up starts', async () => {
    const show = 'console.log(process.env.https_proxy, process.env.HTTPS_PROXY)';
    const env = { ...process.env, HTTPS_PROXY: 'http://p:1', https_proxy: '' };
    expect((await execute(process.execPath, ['-e', show], { env })).stdout).toBe('http://p:1 http://p:1\n');
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

it('reports a program that is missing, fails, or is ended', async () => {
  expect((await execute(join(folder, 'absent'), [])).code).toBe(127);
  expect((await execute(process.execPath, ['-e', 'process.exit(4)'])).code).toBe(4);
  expect((await execute(process.execPath, ['-e', 'setInterval(()=>{},9)'], { timeout: 200 })).signal).toBe('SIGKILL');
  const fail = (words: string[]) =>
    mustExecute(process.execPath, ['-e', `console.error(${JSON.stringify(words.join('\n'))}); process.exit(1)`]);
  // As npm says it: the reason first, then where its log is.
  const npm = ['code ECONNREFUSED', ...'abcd'].map((line) => `npm error ${line}`);
  await expect(fail(['begin', ...npm])).rejects.toThrow(/ended with 1: npm error code ECONNREFUSED \/ .* b$/);
  await expect(fail(['a', 'b', 'c', 'd'])).rejects.toThrow(/ended with 1: b \/ c \/ d$/);
});
