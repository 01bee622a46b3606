/** The bundle: its search for drivers on fake machines, its command lines, what goes in, and a run of it. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listContents } from './contents.mjs';
import { findDriver, findLibrary, findLoader, manifestFor } from './driver.mjs';
import { planCommand } from './launch.mjs';
import { neededGlibc } from './libraries.mjs';
import { buildPrograms } from './programs.mjs';

const checkout = fileURLToPath(new URL('../../', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'crossgate-bundle-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('the search for a driver', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(scratch, 'machine-'));
  });
  const put = (path: string, text = '') => {
    mkdirSync(dirname(root + path), { recursive: true });
    writeFileSync(root + path, text);
  };
  const manifest = (library: string) => JSON.stringify({ ICD: { library_path: library, api_version: '1.3.0' } });
  const libraries = '/usr/lib/x86_64-linux-gnu';
  const withX11 = () => {
    put(`${libraries}/libX11.so.6`);
    put(`${libraries}/libXext.so.6`);
  };

  it('takes what the environment names, and says when it is not there', () => {
    put('/drivers/lvp.json');
    const named = findDriver({ root, env: { VK_DRIVER_FILES: '/drivers/lvp.json' } });
    expect(named.description).toBe('driver named by VK_DRIVER_FILES (/drivers/lvp.json)');
    expect(named).not.toHaveProperty('manifest');
    expect(named).not.toHaveProperty('missing');
    const absent = findDriver({ root, env: { VK_DRIVER_FILES: '/drivers/lvp.json:/gone.json' } });
    expect(absent.missing).toBe('VK_DRIVER_FILES names /gone.json, which is not there');
  });

  it.each(['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d', '/usr/share/glvnd/vulkan_icd.d'])(
    "takes NVIDIA's manifest in %s before another driver's",
    (folder) => {
      put('/dev/nvidiactl');
      withX11();
      put('/usr/share/vulkan/icd.d/intel_icd.json', manifest('libvulkan_intel.so'));
      put(`${folder}/nvidia_icd.json`, manifest('libGLX_nvidia.so.0'));
      put(`${libraries}/libGLX_nvidia.so.0`);
      expect(findDriver({ root })).toMatchObject({ manifest: `${folder}/nvidia_icd.json`, folders: [] });
    },
  );

  it.each([
    ['/usr/lib/x86_64-linux-gnu', []],
    ['/usr/lib64', []],
    ['/usr/local/nvidia/lib64', ['/usr/local/nvidia/lib64']],
    ['/usr/local/cuda/compat', ['/usr/local/cuda/compat']],
  ])('writes a manifest for a library without one in %s', (folder, folders) => {
    put('/dev/nvidia0');
    withX11();
    put(`${folder}/libGLX_nvidia.so.0`);
    const found = findDriver({ root });
    expect(found).toMatchObject({ library: `${folder}/libGLX_nvidia.so.0`, folders });
    expect(found).not.toHaveProperty('missing');
    expect(JSON.parse(manifestFor(found.library!))).toMatchObject({
      ICD: { library_path: `${folder}/libGLX_nvidia.so.0`, api_version: '1.3.0' },
    });
  });

  it('finds libraries that ldconfig alone knows', () => {
    put('/opt/driver/libEGL_nvidia.so.0');
    put('/dev/nvidia0');
    const ldconfig =
      '\tlibEGL_nvidia.so.0 (libc6,x86-64) => /opt/driver/libEGL_nvidia.so.0\n\tlibEGL_nvidia.so.0 (libc6) => /opt/32/x\n';
    expect(findDriver({ root, ldconfig })).toMatchObject({ library: '/opt/driver/libEGL_nvidia.so.0', folders: [] });
    expect(findLibrary('libEGL_nvidia.so.0', { root, ldconfig })).toEqual(['/opt/driver/libEGL_nvidia.so.0']);
  });

  it("takes NVIDIA's EGL library where X11, which the GLX one needs, is not there", () => {
    put('/dev/nvidia0');
    put('/etc/vulkan/icd.d/nvidia_icd.json', manifest('libGLX_nvidia.so.0'));
    put(`${libraries}/libGLX_nvidia.so.0`);
    put(`${libraries}/libEGL_nvidia.so.0`);
    expect(findDriver({ root })).toMatchObject({ library: `${libraries}/libEGL_nvidia.so.0` });
    withX11();
    expect(findDriver({ root })).toMatchObject({ manifest: '/etc/vulkan/icd.d/nvidia_icd.json' });
  });

  it('passes over a manifest whose library is gone', () => {
    put('/dev/nvidia0');
    withX11();
    put('/etc/vulkan/icd.d/nvidia_icd.json', manifest('/old/libGLX_nvidia.so.0'));
    put('/usr/lib64/libGLX_nvidia.so.0');
    const found = findDriver({ root });
    expect(found).toMatchObject({ library: '/usr/lib64/libGLX_nvidia.so.0' });
    expect(found.description).toContain('/etc/vulkan/icd.d/nvidia_icd.json names a library that does not load');
  });

  it('says what is missing', () => {
    expect(findDriver({ root })).toMatchObject({
      description: 'no Vulkan driver was found',
      missing: expect.stringContaining('install a Vulkan driver'),
    });
    put('/dev/nvidia0');
    expect(findDriver({ root }).missing).toMatch(
      /libGLX_nvidia.so.0 or libEGL_nvidia.so.0.*NVIDIA_DRIVER_CAPABILITIES/,
    );
    rmSync(`${root}/dev`, { recursive: true });
    put(`${libraries}/libGLX_nvidia.so.0`);
    expect(findDriver({ root }).missing).toMatch(/libGLX_nvidia.so.0 is there, but no NVIDIA device/);
  });

  it('leaves other drivers to the loader', () => {
    put('/usr/share/vulkan/icd.d/radeon_icd.json', manifest('libvulkan_radeon.so'));
    put('/usr/share/vulkan/icd.d/broken.json', '{');
    const found = findDriver({ root });
    expect(found).toEqual({ description: 'drivers of this machine: radeon_icd', folders: [] });
  });

  it("takes the machine's loader, else the carried one, else says that there is none", () => {
    const carried = join(root, 'bundle');
    expect(findLoader({ root }, carried).description).toMatch(/NO LOADER/);
    put('/bundle/libvulkan.so.1');
    expect(findLoader({ root }, carried)).toEqual({ description: 'the carried loader', folders: [carried] });
    put('/usr/lib64/libvulkan.so.1');
    expect(findLoader({ root }, carried)).toEqual({ description: 'loader /usr/lib64/libvulkan.so.1', folders: [] });
  });
});

describe('what goes in', () => {
  it('lists Dawn, SQLite and koffi for linux-x64 alone, configs, run.sh and licenses', async () => {
    const names = (await listContents(checkout)).map(({ to }) => to);
    expect(names).toEqual(
      expect.arrayContaining([
        ...['run.sh', 'README.md', 'LICENSE', 'configs/base.yaml', 'configs/demo/smoke.yaml'],
        'app/node_modules/webgpu/dist/linux-x64/dawn.node',
        'app/bench/pytorch.py',
        'app/bench/pytorch_steps.py',
      ]),
    );
    expect(names.filter((name) => name.endsWith('.node'))).toEqual([
      'app/node_modules/webgpu/dist/linux-x64/dawn.node',
      'app/node_modules/@libsql/linux-x64-gnu/index.node',
      'app/node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node',
    ]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('carries assets when there are any, and refuses a checkout that lacks something', async () => {
    const root = join(scratch, 'checkout');
    await expect(listContents(root)).rejects.toThrow(/^bundle: .*run\.sh.*: not there$/);
    for (const { from } of (await listContents(checkout)).filter(({ to }) => !to.startsWith('configs/'))) {
      if (!from.includes('/assets/')) cpSync(from, join(root, from.slice(checkout.length)));
    }
    mkdirSync(join(root, 'assets', 'demo'), { recursive: true });
    writeFileSync(join(root, 'assets', 'demo', 'model.bin'), '');
    const names = (await listContents(root)).map(({ to }) => to);
    expect(names.filter((name) => /^(assets|configs)\//.test(name))).toEqual(['assets/demo/model.bin']);
  });

  it('reads the glibc a library needs', async () => {
    const path = join(scratch, 'library.so');
    writeFileSync(path, 'xGLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0');
    expect(await neededGlibc(path)).toBe(34);
  });
});

it('plans command lines', () => {
  expect(planCommand([])).toBeUndefined();
  expect(planCommand(['--help'])).toBeUndefined();
  expect(planCommand(['verify', '--filter', 'adam'])).toEqual({
    program: 'bench',
    args: ['verify', '--filter', 'adam'],
  });
  expect(planCommand(['bench', '--filter', 'x'])?.args.slice(0, 3)).toEqual(['kernels', '--json', '--peers']);
  expect(planCommand(['peers', '--quiet'])).toEqual({ program: 'bench', args: ['peers', '--quiet'] });
  const step = ['training', '--step', '7b'];
  expect(planCommand(step)).toEqual({ program: 'bench', args: step });
  expect(planCommand(['probe'])).toEqual({ program: 'bench', args: ['probe'] });
  expect(planCommand(['doctor', '--json'])).toEqual({ program: 'train', args: ['doctor', '--json'] });
  expect(planCommand(['train', 'no/such.yaml', '--quiet'])?.args).toEqual(['train', 'no/such.yaml', '--quiet']);
});

describe('a bundle', () => {
  // Without Node, Dawn and libraries: those of this process serve.
  const bundle = join(scratch, 'bundle with spaces');
  beforeAll(async () => {
    for (const { from, to } of await listContents(checkout)) {
      if (!to.endsWith('dawn.node')) cpSync(from, join(bundle, to));
    }
    const packages = await buildPrograms(join(bundle, 'app'));
    expect(packages.map((path) => path.split('/').at(-1))).toEqual(expect.arrayContaining(['commander', 'yaml']));
    writeFileSync(join(bundle, 'app', 'package.json'), '{ "type": "module" }\n');
    // As the program finds them.
    const { resolve } = createRequire(join(bundle, 'app', 'train', 'main.js'));
    for (const name of ['@resvg/resvg-wasm/index_bg.wasm', 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf']) {
      expect(resolve(name)).toBe(join(realpathSync(bundle), 'app', 'node_modules', name));
    }
    symlinkSync(join(bundle, 'run.sh'), join(scratch, 'crossgate-link'));
    execFileSync('chmod', ['-R', 'a-w', bundle]);
  });
  afterAll(() => void execFileSync('chmod', ['-R', 'u+w', bundle]));

  const run = (program: string, ...args: string[]) => {
    const env = { ...process.env, CROSSGATE_NODE: process.execPath, VK_DRIVER_FILES: '/none.json' };
    return spawnSync(program, args, { cwd: tmpdir(), env, encoding: 'utf8' });
  };

  it('runs from any folder, by a link too, and hands on exit codes', () => {
    for (const program of [join(bundle, 'run.sh'), join(scratch, 'crossgate-link')]) {
      const usage = run(program);
      expect(usage.status).toBe(2);
      expect(usage.stdout).toMatch(/^Usage: run.sh COMMAND/);
    }
    const shown = run(join(bundle, 'run.sh'), 'config', 'show', join(bundle, 'configs', 'ml-1m', 'mean.yaml'));
    expect(shown.stderr).toMatch(/^run.sh: driver named by VK_DRIVER_FILES/);
    expect(shown.status, shown.stderr).toBe(0);
    expect(shown.stdout).toContain('ml-1m');
    expect(run(join(bundle, 'run.sh'), 'train', 'no-such.yaml').status).toBe(2);
  });

  it('finds configs by their names in it', () => {
    const env = { CROSSGATE_DATA: join(scratch, 'nothing') };
    const { status, stderr } = spawnSync(join(bundle, 'run.sh'), ['train', 'configs/ml-1m/mean.yaml'], {
      ...{ cwd: scratch, encoding: 'utf8' },
      env: { ...process.env, ...env, CROSSGATE_NODE: process.execPath, VK_DRIVER_FILES: '/none.json' },
    });
    expect(stderr).toMatch(/data set ml-1m not found/);
    expect(status).toBe(2);
  });

  it('says when Node does not start', () => {
    const env = { ...process.env, CROSSGATE_NODE: '/no/such/node' };
    const { status, stderr } = spawnSync(join(bundle, 'run.sh'), ['doctor'], { env, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/\/no\/such\/node does not start here/);
  });

  it('holds the page of serve beside the program that looks for it there', () => {
    const train = join(bundle, 'app', 'train');
    expect(readFileSync(join(train, 'page', 'index.html'), 'utf8')).toContain('<title>Crossgate</title>');
    expect(readdirSync(join(train, 'page', 'assets'))).toHaveLength(2);
    const texts = readdirSync(train)
      .filter((name) => name.endsWith('.js'))
      .map((name) => readFileSync(join(train, name), 'utf8'));
    expect(texts.filter((text) => text.includes('new URL("./page/",import.meta.url)'))).toHaveLength(1);
  });

  it('holds few files, shaders as text, and no path of this checkout', () => {
    for (const name of [
      'train/main.js',
      'bench/main.js',
      'bench/verify-worker.js',
      'bench/peer-worker.js',
      'launch.mjs',
    ]) {
      const path = join(bundle, 'app', name);
      expect(existsSync(path), name).toBe(true);
      expect(readFileSync(path, 'utf8')).not.toContain(checkout);
    }
    expect(readFileSync(join(bundle, 'app', 'bench', 'verify-worker.js'), 'utf8')).toContain('@compute');
  });
});
