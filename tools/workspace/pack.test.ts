// What `npm pack` makes of our packages, installed in a project that has nothing of this workspace.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { afterPack, beforePack, type Manifest, publishedManifest, publishedReadme, repositoryUrl } from './pack.mjs';
import { workspaceFolders } from './prepare.mjs';
import { shipped } from './shipped.mjs';

type FullManifest = Manifest & {
  private?: boolean;
  bin?: Record<string, string>;
  files: string[];
  scripts?: Record<string, string>;
};

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as FullManifest;
const folders = (await workspaceFolders()).filter((folder) => !read(join(root, folder, 'package.json')).private);
/** What npm itself packs here, one of each kind; all others run the same scripts of ours around it. */
const packedByNpm = [join('packages', 'gpu'), join('apps', 'train')];
const built = folders.every((folder) => existsSync(join(root, folder, 'dist/index.js')));

it('a published manifest names builds and versions, and nothing of the workspace', async () => {
  const manifest = {
    name: '@crossgate/some',
    version: '1.2.3',
    exports: { '.': { '@crossgate/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' } },
    scripts: { build: 'tsup' },
    dependencies: { '@crossgate/core': 'workspace:*', zod: '4.6.7' },
    devDependencies: { '@crossgate/testing': 'workspace:*' },
  };
  expect(await publishedManifest(manifest, async (name) => `version of ${name}`)).toEqual({
    name: '@crossgate/some',
    version: '1.2.3',
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    dependencies: { '@crossgate/core': 'version of @crossgate/core', zod: '4.6.7' },
  });
});

describe.skipIf(!built)('the packages as others install them (needs dist/ and npm)', () => {
  let work = '';
  let project = '';
  let manifests: FullManifest[] = [];
  const entries = () =>
    manifests.flatMap(({ name, exports }) =>
      Object.keys(exports).map((entry) => join(name, entry).replace(/\\/g, '/')),
    );
  const node = (args: string[]) =>
    new Promise<{ status: unknown; stdout: string; stderr: string }>((resolve) =>
      execFile(process.execPath, args, { cwd: project }, (error, stdout, stderr) =>
        resolve({ status: error?.code ?? 0, stdout, stderr }),
      ),
    );
  const program = (name: string, ...args: string[]) =>
    node([join(project, 'node_modules/@crossgate', name, 'dist/main.js'), ...args]);

  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'crossgate-pack-'));
    project = join(work, 'project');
    // Packing changes manifests for a moment, so it works on a copy: other tests read the workspace's meanwhile.
    const copy = join(work, 'workspace');
    for (const folder of folders) {
      const { files } = read(join(root, folder, 'package.json'));
      for (const name of ['package.json', ...files]) {
        await cp(join(root, folder, name), join(copy, folder, name), { recursive: true });
      }
    }
    for (const path of ['tools/workspace', 'LICENSE', ...shipped]) {
      await cp(join(root, path), join(copy, path), { recursive: true });
    }
    const tarballs = join(work, 'tarballs');
    await mkdir(tarballs);
    const named = packedByNpm.map((folder) => `./${folder.replace(/\\/g, '/')}`);
    execFileSync('npm', ['pack', '--offline', '--pack-destination', tarballs, ...named], {
      cwd: copy,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
    });
    for (const folder of packedByNpm) {
      expect(readFileSync(join(copy, folder, 'package.json'), 'utf8')).toBe(
        readFileSync(join(root, folder, 'package.json'), 'utf8'),
      );
      expect(readdirSync(join(copy, folder))).not.toContain('LICENSE');
    }
    for (const tarball of readdirSync(tarballs)) {
      const name = /^crossgate-(.*)-\d+\.\d+\.\d+\.tgz$/.exec(tarball)![1]!;
      const target = join(project, 'node_modules/@crossgate', name);
      await mkdir(target, { recursive: true });
      execFileSync('tar', ['-xzf', join(tarballs, tarball), '-C', target, '--strip-components=1']);
    }
    for (const folder of folders.filter((each) => !packedByNpm.includes(each))) {
      const { name, files } = read(join(copy, folder, 'package.json'));
      await beforePack(join(copy, folder));
      for (const path of ['package.json', 'LICENSE', ...files]) {
        await cp(join(copy, folder, path), join(project, 'node_modules', name, path), { recursive: true });
      }
    }
    manifests = readdirSync(join(project, 'node_modules/@crossgate')).map((name) =>
      read(join(project, 'node_modules/@crossgate', name, 'package.json')),
    );
    // What a registry would give: the versions that the workspace has. Nothing that no manifest names.
    for (const folder of folders) {
      for (const name of Object.keys(read(join(root, folder, 'package.json')).dependencies ?? {})) {
        const target = join(project, 'node_modules', name);
        if (name.startsWith('@crossgate/') || existsSync(target)) continue;
        await mkdir(dirname(target), { recursive: true });
        await symlink(await realpath(join(root, folder, 'node_modules', name)), target, 'junction');
      }
    }
    await writeFile(join(project, 'package.json'), '{}');
  }, 120_000);
  afterAll(() => rm(work, { recursive: true, force: true }));

  it('name only what is in them, or in a registry', () => {
    expect(manifests.map(({ name }) => name)).toHaveLength(folders.length);
    const versions = new Map(manifests.map(({ name, version }) => [name, version]));
    for (const { name, exports, bin = {}, dependencies = {}, ...rest } of manifests) {
      const folder = join(project, 'node_modules', name);
      const targets = [...Object.values(exports).flatMap((entry) => Object.values(entry)), ...Object.values(bin)];
      for (const target of targets) {
        expect(target).toMatch(/^\.\/dist\//);
        expect(existsSync(join(folder, target)), `${name}: ${target}`).toBe(true);
      }
      for (const [other, range] of Object.entries(dependencies)) {
        expect(range, `${name}: ${other}`).toMatch(/^\d+\.\d+\.\d+$/);
        if (other.startsWith('@crossgate/')) expect(range).toBe(versions.get(other));
      }
      expect(rest).not.toHaveProperty('devDependencies');
      expect(readdirSync(folder)).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist']));
    }
  });

  it('are packed by the same scripts', () => {
    const scriptsOf = (folder: string) => {
      const { prepack, postpack } = read(join(root, folder, 'package.json')).scripts ?? {};
      return JSON.stringify([prepack, postpack]);
    };
    const known = packedByNpm.map(scriptsOf);
    expect(folders.filter((folder) => !known.includes(scriptsOf(folder)))).toEqual([]);
    expect(read(join(root, packedByNpm[0]!, 'package.json')).scripts).toMatchObject({
      prepack: 'node ../../tools/workspace/pack.mjs before',
      postpack: 'node ../../tools/workspace/pack.mjs after',
    });
  });

  it('give the same by import and by require', async () => {
    const names = JSON.stringify(entries());
    const print =
      'console.log(JSON.stringify(found.map((entry) => Object.keys(entry).filter((k) => k !== "__esModule"))));';
    const [imported, required] = await Promise.all([
      node([
        '--input-type=module',
        '-e',
        `const found = [];
        for (const name of ${names}) found.push(await import(name));
        ${print}`,
      ]),
      node(['--input-type=commonjs', '-e', `const found = ${names}.map((name) => require(name)); ${print}`]),
    ]);
    expect(imported.status, imported.stderr).toBe(0);
    expect(required.status, required.stderr).toBe(0);
    expect(JSON.parse(required.stdout)).toEqual(JSON.parse(imported.stdout));
    expect(JSON.parse(required.stdout).every((exported: string[]) => exported.length > 0)).toBe(true);
  });

  it.each([
    ['node16', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    ['nodenext', ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
    ['bundler', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  ])('show TypeScript their types: %s', (_, module, moduleResolution) => {
    for (const mode of [ts.ModuleKind.ESNext, ts.ModuleKind.CommonJS] as const) {
      const user = join(project, 'program.ts');
      for (const name of entries()) {
        const { resolvedModule } = ts.resolveModuleName(
          name,
          user,
          { module, moduleResolution },
          ts.sys,
          undefined,
          undefined,
          mode,
        );
        expect(resolvedModule?.resolvedFileName, name).toMatch(/[/\\]dist[/\\][\w-]+\.d\.ts$/);
      }
    }
  });

  it('have programs that start, and what comes with them', async () => {
    const [help, shown] = await Promise.all([
      program('train', '--help'),
      program('train', 'model', 'info', 'demo-llm', '--json'),
    ]);
    expect({ code: help.status, stderr: help.stderr }).toEqual({ code: 0, stderr: '' });
    expect(shown.status, shown.stderr).toBe(0);
    expect(JSON.parse(shown.stdout)).toMatchObject({ architecture: 'llama' });
  });

  describe.skipIf(process.platform !== 'linux')('where the add-on for GPUs is damaged', () => {
    beforeAll(async () => {
      const webgpu = join(project, 'node_modules/webgpu');
      const whole = await realpath(webgpu);
      const file = `dist/linux-${process.arch}/dawn.node`;
      await rm(webgpu);
      for (const name of ['package.json', 'index.js', file]) await cp(join(whole, name), join(webgpu, name));
      // As an interrupted download leaves it: loading this ends a process.
      await truncate(join(webgpu, file), 1_000_000);
      await writeFile(join(project, 'scores.csv'), 'user,label,score\na,1,1\na,0,0\n');
    });

    it('do all that needs no GPU', async () => {
      const names = JSON.stringify(entries());
      const ended = await Promise.all([
        node(['-e', `for (const name of ${names}) require(name);`]),
        program('train', '--help'),
        program('train', 'metrics', 'scores.csv'),
        program('bench', '--help'),
      ]);
      for (const { status, stderr } of ended) expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    });

    it('end all else with exit code 3, the reason and what to do', async () => {
      const commands = [
        ['train', 'doctor'],
        ['train', 'generate', '--model', 'demo-llm', '--prompt', 'x'],
        ['bench', 'kernels'],
        ['bench', 'verify'],
      ] as const;
      const ended = await Promise.all(commands.map(([name, ...args]) => program(name, ...args, '--json')));
      for (const [index, { status, stdout, stderr }] of ended.entries()) {
        expect(status, stderr).toBe(3);
        expect(stderr).toMatch(
          /Dawn's add-on does not load on linux-.*dawn\.node: the file is cut short; the package webgpu/,
        );
        expect(JSON.parse(stdout)).toMatchObject(
          index === 0
            ? { adapters: [], chosen: null, node: process.version }
            : { error: { code: 'gpu.addon', fix: expect.stringContaining('install again') } },
        );
      }
    });
  });
});
