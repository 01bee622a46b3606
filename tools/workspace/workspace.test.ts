// Tests of the root scripts: stamps, counting and closing line, scripts of users.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bench } from '../../apps/bench/src/cli';
import { crossgate } from '../../apps/train/src/cli';
import { gpuFree } from '../../packages/setup/src/gpu-free.mjs';
import { buildProgram, type Io } from '../../packages/terminal/src';
import { workspaceFolders } from './layout.mjs';
import { buildKey, installKey } from './prepare.mjs';
import { copyShipped, removeShipped } from './shipped.mjs';
import { findScript, forScripts, userFolder } from './start.mjs';
import { closingLine, countTests, testFiles } from './test.mjs';
import { projects } from './types.mjs';

let root = '';
async function write(path: string, text: string) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'crossgate-workspace-'));
  await write('package.json', '{}');
  await write('packages/gpu/package.json', '{}');
  await write('packages/gpu/src/index.ts', 'export {};');
  await write('apps/train/package.json', '{}');
  await write('packages/notes/README.md', 'no package');
});
afterEach(() => rm(root, { recursive: true, force: true }));

it('finds the packages of the workspace', async () => {
  expect(await workspaceFolders(root)).toEqual([join('apps', 'train'), join('packages', 'gpu')]);
});

it('checks the types of every tsconfig.json that differs from the one for all packages', async () => {
  const checkout = fileURLToPath(new URL('../../', import.meta.url));
  const plain = '{ "extends": "../../tsconfig.base.json", "include": ["src", "test", "examples"] }';
  const own: string[] = [];
  for (const folder of await workspaceFolders(checkout)) {
    for (const path of ['', 'page', 'src/page', 'test/page'].map((part) => join(folder, part, 'tsconfig.json'))) {
      const text = await readFile(join(checkout, path), 'utf8').catch(() => plain);
      if (text.trim() !== plain) own.push(path);
    }
  }
  // That of serve only leaves out what has one of its own.
  expect(own.filter((path) => !projects.includes(path))).toEqual(['packages/serve/tsconfig.json']);
});

it('copies what comes with the program into its dist, and takes it back', async () => {
  const kept = ['dist/main.js'];
  const configs = ['base.yaml', 'demo/demo.yaml', 'ml-1m/mf.yaml', 'paper/smoke.yaml'].map((path) => `configs/${path}`);
  const files = [...configs, 'assets/demo-llm/config.json'];
  for (const path of [...kept, ...files, 'configs/ml-100k/bpr-mf.yaml']) await write(path, path);
  const dist = join(root, 'dist');
  const there = (path: string) => existsSync(join(dist, path));
  await copyShipped(dist, root);
  expect(files.filter((path) => !there(path))).toEqual([]);
  expect(there('configs/ml-100k')).toBe(false);
  await removeShipped(dist);
  expect(readdirSync(dist)).toEqual(['main.js']);
});

it('every command that is said to need no GPU is there', () => {
  const io = { stdout: process.stdout, stderr: process.stderr } as unknown as Io;
  for (const [name, declaration] of Object.entries({ crossgate, bench })) {
    const names = buildProgram(declaration, io).commands.map((command) => command.name());
    expect(names).toEqual(expect.arrayContaining(gpuFree[name]!));
  }
});

describe('installKey', () => {
  it('changes with any manifest and the lockfile, not with sources', async () => {
    const first = await installKey(root);
    await write('packages/gpu/src/more.ts', '');
    expect(await installKey(root)).toBe(first);
    await write('apps/train/package.json', '{"dependencies":{}}');
    const second = await installKey(root);
    expect(second).not.toBe(first);
    await write('pnpm-lock.yaml', 'lockfileVersion: 9');
    expect(await installKey(root)).not.toBe(second);
  });
});

describe('buildKey', () => {
  it('changes with new, changed and touched sources, not with tests', async () => {
    const keys = [await buildKey(root)];
    await write('packages/gpu/src/index.test.ts', '');
    expect(await buildKey(root)).toBe(keys[0]);
    await write('packages/gpu/src/deep/new.wgsl', 'x');
    keys.push(await buildKey(root));
    await write('packages/gpu/src/deep/new.wgsl', 'xy');
    keys.push(await buildKey(root));
    await utimes(join(root, 'packages/gpu/src/index.ts'), 1, 1);
    keys.push(await buildKey(root));
    await write('packages/gpu/page/index.html', '<p>');
    keys.push(await buildKey(root));
    expect(new Set(keys).size).toBe(5);
  });

  it("changes with the kernels' tests and benchmarks, which crossgate-bench carries", async () => {
    await write('packages/kernels/package.json', '{}');
    const keys = [await buildKey(root)];
    for (const path of ['src/adam/adam.test.ts', 'src/adam/adam.bench.ts', 'test/benches.ts', 'test/harness.ts']) {
      await write(`packages/kernels/${path}`, '');
      keys.push(await buildKey(root));
    }
    await write('packages/kernels/src/adam/adam.bench.ts', 'export const benches = [];');
    keys.push(await buildKey(root));
    expect(new Set(keys).size).toBe(6);
  });
});

describe('countTests', () => {
  const file = (status: string, ...tests: string[]) => ({
    status,
    assertionResults: tests.map((test) => ({ status: test })),
  });
  it('counts passed, failed and skipped', () => {
    const report = {
      numPassedTests: 5,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 1,
      testResults: [file('failed', 'failed', 'passed'), file('passed', 'passed')],
    };
    expect(countTests(report, 1)).toEqual({ passed: 5, failed: 1, skipped: 3 });
  });
  it('counts a file that did not load, and a failure outside of tests', () => {
    expect(countTests({ numPassedTests: 2, testResults: [file('failed')] }, 1).failed).toBe(1);
    expect(countTests({ numPassedTests: 2, testResults: [file('passed', 'passed')] }, 1).failed).toBe(1);
    expect(countTests(undefined, 134).failed).toBe(1);
    expect(countTests({ numPassedTests: 2 }, 0).failed).toBe(0);
  });
  it('closes with one plain line', () => {
    expect(closingLine({ passed: 12, failed: 0, skipped: 3 })).toBe('12 passed, 0 failed, 3 skipped');
  });
});

describe('npm test -- FILE', () => {
  it('means these files alone where nothing else is asked for', async () => {
    await write('a/one.test.ts', '');
    await write('b/two.test.ts', '');
    const of = async (...args: string[]) => [...((await testFiles(args, [join(root, 'a'), root])) ?? [])];
    const [one, two] = [join(root, 'a/one.test.ts'), join(root, 'b/two.test.ts')];
    expect(await of('one.test.ts')).toEqual([[0, one]]);
    expect(await of('-t', 'a name', 'b/two.test.ts', one)).toEqual([
      [2, two],
      [3, one],
    ]);
    for (const args of [[], ['-t', 'a name'], ['one.test.ts', 'packages/data'], ['none.test.ts'], ['b']])
      expect(await of(...args)).toEqual([]);
  });
});

describe('scripts of users', () => {
  const started = async (name: string) => {
    const child = spawn(process.execPath, [...forScripts, join(root, name)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    const code = await new Promise((resolve) => child.on('close', resolve));
    return { code, said };
  };

  it('may be TypeScript, import each other, and import our packages from anywhere', async () => {
    await write('half.ts', 'export const half = (value: number): number => value / 2;\n');
    await write('lib/index.mts', 'export enum Side { Left = 1, Right }\n');
    await write(
      'my.ts',
      `import { formatDuration } from '@crossgate/core';
import { half } from './half';
import { Side } from './lib/index.mjs';
interface Shown { readonly text: string }
class Held { [Symbol.dispose]() { console.log('released'); } }
{ using held = new Held(); const shown: Shown = { text: formatDuration(half(130)) }; console.log(shown.text, Side.Right); }
export {};
`,
    );
    expect(await started('my.ts')).toEqual({ code: 0, said: '1m05s 2\nreleased\n' });
  });

  it('fail with the line of their source', async () => {
    await write('wrong.ts', 'interface Unused { a: 1 }\n\nthrow new Error("here");\n');
    const { code, said } = await started('wrong.ts');
    expect(code).toBe(1);
    expect(said).toMatch(/wrong\.ts:3/);
  });
});

describe('npm run example', () => {
  it('finds a script by its whole path, from where the user stands, then from the checkout', async () => {
    await write('mine/a.mjs', '');
    await write('tools/a.mjs', '');
    await write('tools/b.mjs', '');
    const here = [join(root, 'mine'), join(root, 'tools')];
    const find = (name: string) => findScript(name, here);
    expect(await find(join(root, 'tools/a.mjs'))).toBe(join(root, 'tools/a.mjs'));
    expect(await find('a.mjs')).toBe(join(root, 'mine/a.mjs'));
    expect(await find('./a.mjs')).toBe(join(root, 'mine/a.mjs'));
    expect(await find('../tools/b.mjs')).toBe(join(root, 'tools/b.mjs'));
    expect(await find('b.mjs')).toBe(join(root, 'tools/b.mjs'));
    await expect(find('c.mjs')).rejects.toThrow(
      `c.mjs: there is no such file (tried ${join(root, 'mine/c.mjs')}, ${join(root, 'tools/c.mjs')})`,
    );
    await expect(find(join(root, 'mine'))).rejects.toThrow(`(tried ${join(root, 'mine')})`);
  });
  it('stands where npm was typed', () => {
    expect(userFolder({ npm_lifecycle_event: 'example', INIT_CWD: '/u' })).toBe('/u');
    expect(userFolder({ INIT_CWD: '/u' })).toBe(process.cwd());
  });
  it('names a file that is not there before it builds anything', async () => {
    const run = join(import.meta.dirname, '..', 'run.mjs');
    const env = { ...process.env, npm_lifecycle_event: 'example', INIT_CWD: root };
    let said = '';
    const started = spawn(process.execPath, [run, 'example', 'none.mjs'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const code = await new Promise((resolve) => started.on('close', resolve));
    expect([code, said]).toEqual([
      2,
      expect.stringMatching(/^example: none\.mjs: there is no such file \(tried .*none\.mjs, /),
    ]);
  });
});
