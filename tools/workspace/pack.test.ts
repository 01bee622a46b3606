// What `npm pack` makes of our packages, installed in a project that has nothing of this workspace.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';
import ts59 from 'typescript-5.9';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspaceFolders } from './layout.mjs';
import { type beforePack, type Manifest, publishedManifest, publishedReadme, repositoryUrl } from './pack.mjs';
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

it('names the repository, and its README leads to files there', async () => {
  const place = { url: 'https://example.org/a/b', directory: 'packages/some' };
  const manifest = { name: '@crossgate/some', version: '1.2.3', exports: {} };
  expect(await publishedManifest(manifest, async () => '', place)).toMatchObject({
    homepage: 'https://example.org/a/b/tree/main/packages/some#readme',
    repository: { type: 'git', url: 'git+https://example.org/a/b.git', directory: 'packages/some' },
  });
  const text = '[a](../../docs/a.md#b) [c](#c) [d](https://d.org/x)\n```ts\nf[0](./g)\n```\n[e](examples/e.mjs)';
  expect(publishedReadme(text, { ...place, tag: 'v1.2.3' })).toBe(
    '[a](https://example.org/a/b/blob/v1.2.3/docs/a.md#b) [c](#c) [d](https://d.org/x)\n```ts\nf[0](./g)\n```\n' +
      '[e](https://example.org/a/b/blob/v1.2.3/packages/some/examples/e.mjs)',
  );
});

it.each([
  ['git+https://github.com/a/b.git', {}],
  ['git@github.com:a/b.git', {}],
  ['ssh://git@github.com/a/b', {}],
  ['https://user:secret@github.com/a/b.git', {}],
  [undefined, { GITHUB_REPOSITORY: 'a/b' }],
])('finds the address of the repository: %s', async (url, env) => {
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-repository-'));
  await writeFile(join(folder, 'package.json'), JSON.stringify(url === undefined ? {} : { repository: { url } }));
  expect(await repositoryUrl(folder, env)).toBe('https://github.com/a/b');
  await rm(folder, { recursive: true });
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
    // The copy cannot build itself, and need not: it says whether it was asked to.
    await writeFile(
      join(copy, 'tools/workspace/prepare.mjs'),
      `import { appendFileSync } from 'node:fs';
      export async function prepareCheckout({ build, declarations }) {
        appendFileSync(new URL('../../asked', import.meta.url), build && declarations ? 'build ' : 'install ');
      }`,
    );
    const repository = { url: 'https://example.org/our/house.git' };
    await writeFile(join(copy, 'package.json'), JSON.stringify({ repository }));
    const tarballs = join(work, 'tarballs');
    await mkdir(tarballs);
    const times = packedByNpm.map((folder) => statSync(join(copy, folder, 'package.json')).mtimeMs);
    const named = packedByNpm.map((folder) => `./${folder.replace(/\\/g, '/')}`);
    execFileSync('npm', ['pack', '--offline', '--pack-destination', tarballs, ...named], {
      cwd: copy,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32',
    });
    for (const [index, folder] of packedByNpm.entries()) {
      // A new time would make the next package build again.
      expect(statSync(join(copy, folder, 'package.json')).mtimeMs).toBe(times[index]);
      expect(readFileSync(join(copy, folder, 'package.json'), 'utf8')).toBe(
        readFileSync(join(root, folder, 'package.json'), 'utf8'),
      );
      expect(readdirSync(join(copy, folder))).toEqual(expect.not.arrayContaining(['LICENSE', '.original-README.md']));
      expect(readFileSync(join(copy, folder, 'README.md'), 'utf8')).toBe(
        readFileSync(join(root, folder, 'README.md'), 'utf8'),
      );
    }
    expect(readFileSync(join(copy, 'asked'), 'utf8')).toBe('build build ');
    for (const tarball of readdirSync(tarballs)) {
      const name = /^crossgate-(.*)-\d+\.\d+\.\d+\.tgz$/.exec(tarball)![1]!;
      const target = join(project, 'node_modules/@crossgate', name);
      await mkdir(target, { recursive: true });
      execFileSync('tar', ['-xzf', join(tarballs, tarball), '-C', target, '--strip-components=1']);
    }
    const { beforePack: beforePackInCopy } = (await import(
      pathToFileURL(join(copy, 'tools/workspace/pack.mjs')).href
    )) as { beforePack: typeof beforePack };
    for (const folder of folders.filter((each) => !packedByNpm.includes(each))) {
      const { name, files } = read(join(copy, folder, 'package.json'));
      await beforePackInCopy(join(copy, folder), 'https://example.org/our/house');
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
        expect(target).toMatch(/^\.\/(dist\/|node-in-browser\.js$)/);
        expect(existsSync(join(folder, target)), `${name}: ${target}`).toBe(true);
      }
      for (const [other, range] of Object.entries(dependencies)) {
        expect(range, `${name}: ${other}`).toMatch(/^\d+\.\d+\.\d+(-r\.\d+)?$/); // DuckDB counts its releases so
        if (other.startsWith('@crossgate/')) expect(range).toBe(versions.get(other));
      }
      expect(rest).not.toHaveProperty('devDependencies');
      expect(readdirSync(folder)).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist']));
      expect(readdirSync(folder).filter((file) => file.includes('original'))).toEqual([]);
      expect(rest).toMatchObject({
        repository: { url: 'git+https://example.org/our/house.git' },
        publishConfig: { access: 'public' },
        keywords: expect.arrayContaining(['recommender-system']),
      });
      const readme = readFileSync(join(folder, 'README.md'), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
      const links = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
      expect(
        links.filter((link) => !/^(https:|#)/.test(link)),
        name,
      ).toEqual([]);
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

  it.each([
    // Without the library `dom` and any types of Node, as in a worker: what runs in a browser.
    ['TypeScript 5.9, node16, no DOM', ts59, 'node16', { lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'] }],
    // TypeScript 6 has WebGPU in `dom`.
    ['TypeScript 6, bundler, DOM', ts, 'bundler', { types: ['node'] }],
  ] as const)('compile without skipLibCheck: %s', async (_, compiler, resolution, options) => {
    await mkdir(join(project, 'node_modules/@types'), { recursive: true });
    const types = join(project, 'node_modules/@types/node');
    if (!existsSync(types)) await symlink(await realpath(join(root, 'node_modules/@types/node')), types, 'junction');
    const inBrowser = ['core', 'eval', 'gpu', 'data', 'kernels', 'tensor', 'cf', 'llm', 'fusion'];
    const browser = (name: string) => inBrowser.includes(name.split('/')[1]!) && !name.endsWith('/node');
    const names = entries().filter((name) => 'types' in options || browser(name));
    const program = join(project, `uses-${resolution}.mts`);
    await writeFile(program, names.map((name, i) => `export * as entry${i} from '${name}';\n`).join(''));
    const { module, moduleResolution } =
      resolution === 'node16'
        ? { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 }
        : { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
    const settings = {
      ...{ strict: true, noEmit: true, skipLibCheck: false, target: ts.ScriptTarget.ES2022, types: [] },
      ...{ lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts', 'lib.dom.asynciterable.d.ts'] },
      ...options,
    };
    // The two compilers have the same interface here.
    const of = compiler as typeof ts;
    const made = of.createProgram([program], {
      ...settings,
      module,
      moduleResolution,
    } as unknown as ts.CompilerOptions);
    const faults = of.getPreEmitDiagnostics(made).map(({ file, messageText }) => {
      return `${file?.fileName ?? ''}: ${of.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(faults).toEqual([]);
    expect(made.getSourceFile(program)).toBeDefined();
  });

  it.each([
    ['kernels', 'softmax', 12],
    ['kernels', 'matmul', 66],
    ['tensor', 'Tape', 32],
    ['eval', 'evaluateClicks', 6],
    ['cf', 'scoreBaseline', 4],
    ['data', 'assembleDataset', 9],
  ])('leave what is not used out of a bundle: %s, %s', async (name, exported, kilobytes) => {
    const contents = `import { ${exported} } from '@crossgate/${name}'; console.log(${exported});`;
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: project },
      ...{ bundle: true, minify: true, write: false, format: 'esm', platform: 'browser', logLevel: 'silent' },
    });
    expect(outputFiles[0]!.contents.length).toBeGreaterThan(200);
    expect(outputFiles[0]!.contents.length / 1000).toBeLessThan(kilobytes);
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
