// Tests of the import direction check, on a small workspace that breaks every rule once.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkBoundaries, findImports, house } from './boundaries.mjs';

let root = '';

async function write(path: string, text: string) {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

async function violations() {
  return (await checkBoundaries(root)).map(({ file, line, message }) => `${file}:${line} ${message}`);
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'crossgate-boundaries-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('findImports', () => {
  it('finds every form and its line, and nothing in comments', () => {
    const text = [
      "import { a } from './a';",
      "import type { B } from 'node:fs';",
      "// import c from './c';",
      "/* import d from './d';",
      "*/ export * from './e';",
      'export {',
      '  f,',
      "} from '@crossgate/f';",
      "import './g';",
      "const h = await import('node:h');",
      "const url = 'https://example.org'; // import('./i')",
    ].join('\n');
    expect(findImports(text)).toEqual([
      { specifier: './a', line: 1, typeOnly: false },
      { specifier: 'node:fs', line: 2, typeOnly: true },
      { specifier: './e', line: 5, typeOnly: false },
      { specifier: '@crossgate/f', line: 8, typeOnly: false },
      { specifier: './g', line: 9, typeOnly: false },
      { specifier: 'node:h', line: 10, typeOnly: false },
    ]);
  });
});

describe('checkBoundaries', () => {
  it('accepts imports of packages above, of testing in tests, and of Node in a ./node entry', async () => {
    await write('packages/gpu/package.json', JSON.stringify({ name: '@crossgate/gpu' }));
    await write('packages/gpu/src/index.ts', "import type { Stats } from 'node:fs';\nexport * from './device';\n");
    await write('packages/gpu/src/device.ts', 'export const device = 1;\n');
    await write('packages/gpu/src/node.ts', "import 'webgpu';\nimport { readFile } from 'node:fs/promises';\n");
    await write(
      'packages/kernels/package.json',
      JSON.stringify({
        dependencies: { '@crossgate/gpu': 'workspace:*' },
        devDependencies: { '@crossgate/testing': 'workspace:*' },
      }),
    );
    await write('packages/kernels/src/index.ts', "import { device } from '@crossgate/gpu';\n");
    await write('packages/kernels/src/matmul/matmul.test.ts', "import '@crossgate/testing';\nimport 'node:fs';\n");
    await write('apps/train/src/main.ts', "import '@crossgate/kernels';\nimport 'node:path';\n");
    await write(
      'packages/kernels/src/matmul/matmul.bench.ts',
      "import '@crossgate/kernels';\nimport '../../test/bench';\n",
    );
    await write('apps/bench/src/kernels/index.ts', "export * from '../../../../packages/kernels/test/benches';\n");
    expect(await violations()).toEqual([]);
  });

  it('names file and line of every violation', async () => {
    await write('packages/gpu/package.json', '{\n  "dependencies": {\n    "@crossgate/tensor": "1"\n  }\n}\n');
    await write('packages/gpu/src/device.ts', "// Opens a device.\nimport { readFile } from 'node:fs/promises';\n");
    await write('packages/kernels/src/index.ts', "import { a } from '@crossgate/tensor';\nimport '../../gpu/src/x';\n");
    await write('packages/kernels/src/op.ts', "import '@crossgate/testing';\nimport '@crossgate/gpu';\n");
    await write('packages/tensor/src/index.ts', "import { open } from './files/open';\n");
    await write('packages/tensor/src/files/open.ts', "\nimport { create } from 'webgpu';\n");
    await write('packages/llm/src/index.ts', "export * from '@crossgate/tensor/node';\n");
    await write('packages/extra/src/index.ts', '');
    await write('apps/bench/src/kernels/run.ts', "import '../../../../packages/kernels/test/benches';\n");
    expect(await violations()).toEqual([
      "apps/bench/src/kernels/run.ts:1 '../../../../packages/kernels/test/benches' leaves the package; import it by its name",
      "packages/extra:1 package 'extra' has no place in tools/boundaries.mjs",
      "packages/gpu/package.json:3 'gpu' may not depend on 'tensor' (dependencies)",
      "packages/gpu/src/device.ts:2 'node:fs/promises' exists in Node alone, and this file is reached from packages/gpu/src/index.ts",
      "packages/kernels/src/index.ts:1 'kernels' may not import '@crossgate/tensor'",
      "packages/kernels/src/index.ts:2 '../../gpu/src/x' leaves the package; import it by its name",
      "packages/kernels/src/op.ts:1 'kernels' may not import '@crossgate/testing'",
      "packages/llm/src/index.ts:1 '@crossgate/tensor/node' exists in Node alone, and this file is reached from packages/llm/src/index.ts",
      "packages/tensor/src/files/open.ts:2 'webgpu' exists in Node alone, and this file is reached from packages/tensor/src/index.ts",
    ]);
  });

  it('reads JavaScript too, in packages and in scripts beside them', async () => {
    const before = await violations();
    await write('packages/eval/examples/use.mjs', "import '@crossgate/eval';\nimport '@crossgate/llm';\n");
    await write('packages/setup/src/a.mjs', "import './b.mjs';\n");
    await write('packages/setup/src/b.mjs', "import './a.mjs';\n");
    await write('studies/one/main.mjs', "import '@crossgate/llm/node';\nimport '../../packages/llm/dist/index.js';\n");
    await write('studies/one/node_modules/other/index.mjs', "import '../../../../packages/llm/src';\n");
    await write('studies/one/page.mjs', "import './more.mjs';\nimport '@crossgate/train';\n");
    await write('studies/one/more.mjs', "import './page.mjs';\n");
    await write('tools/run.mjs', "import '../packages/setup/src/a.mjs';\nimport('../packages/files/src/x.mjs');\n");
    await write('tools/help.test.ts', "import '../apps/train/src/cli';\nimport '../../elsewhere';\n");
    expect((await violations()).filter((line) => !before.includes(line))).toEqual([
      "packages/eval/examples/use.mjs:2 'eval' may not import '@crossgate/llm'",
      'packages/setup/src/b.mjs:1 files import each other in a circle: src/a.mjs -> src/b.mjs -> src/a.mjs',
      "studies/one/main.mjs:2 '../../packages/llm/dist/index.js' leaves studies; import a package by its name",
      'studies/one/page.mjs:1 files import each other in a circle: more.mjs -> page.mjs -> more.mjs',
      "studies/one/page.mjs:2 '@crossgate/train' is no package of packages/",
      "tools/help.test.ts:2 '../../elsewhere' leaves tools; import a package by its name",
      "tools/run.mjs:2 '../packages/files/src/x.mjs' leaves tools; import a package by its name",
    ]);
  });

  it('names the dependency that is imported nowhere', async () => {
    const before = await violations();
    const uses = (field: string, ...names: string[]) =>
      JSON.stringify({ [field]: Object.fromEntries(names.map((name) => [`@crossgate/${name}`, '1'])) }, null, 1);
    await write('studies/two/main.mjs', "import '@crossgate/llm/node';\n");
    await write('studies/two/package.json', uses('dependencies', 'llm', 'cf'));
    await write('packages/data/package.json', uses('devDependencies', 'core', 'testing'));
    await write('packages/data/src/index.ts', "import '@crossgate/core';\n");
    await write('apps/bench/package.json', uses('devDependencies', 'testing'));
    expect((await violations()).filter((line) => !before.includes(line))).toEqual([
      "packages/data/package.json:4 'data' never imports 'testing' (devDependencies)",
      "studies/two/package.json:4 'studies/two' never imports 'cf' (dependencies)",
    ]);
  });

  it('finds what loads a GPU package on the way from an entry that must not', async () => {
    const entry = (path: string) => ({ '@crossgate/source': path });
    await write(
      'packages/experiment/package.json',
      JSON.stringify({ exports: { './config': entry('./src/config/index.ts') } }),
    );
    await write('packages/cf/package.json', JSON.stringify({ exports: { './registry': entry('./src/registry.ts') } }));
    await write('packages/eval/package.json', JSON.stringify({ exports: { '.': entry('./src/index.ts') } }));
    await write('packages/eval/src/index.ts', "export * from './auc';\n");
    await write('packages/experiment/src/config/index.ts', "export * from './load';\nimport '@crossgate/eval';\n");
    await write(
      'packages/experiment/src/config/load.ts',
      "import type { A } from '@crossgate/llm';\nimport '@crossgate/cf/registry';\nconst b = () => import('@crossgate/cf');\n",
    );
    await write('packages/cf/src/registry.ts', "import './model';\n");
    await write('packages/cf/src/model.ts', "import '@crossgate/tensor';\n");
    expect((await violations()).filter((line) => /uses a GPU/.test(line))).toEqual([
      "packages/cf/src/model.ts:1 '@crossgate/tensor' uses a GPU, and this file is reached from @crossgate/cf/registry",
      "packages/experiment/src/config/load.ts:3 '@crossgate/cf' uses a GPU, and this file is reached from @crossgate/experiment/config",
    ]);
  });
});

it('are what docs/architecture.md says', async () => {
  const text = await readFile(new URL('../docs/architecture.md', import.meta.url), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| [a-z]+ \|/.test(line) && !line.startsWith('| package |'));
  // Later tables of the page are about other things.
  const table = rows.slice(0, rows.findIndex((line) => line.startsWith('| testing |')) + 1);
  const names = (cell: string) => cell.split(',').flatMap((name) => name.trim().match(/^[a-z]+$/) ?? []);
  const told = table.map((line) => {
    const [name = '', sentence = '', stands = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    const [on = '', node = ''] = stands.split('; `/node`:');
    const nodeOnly = sentence.endsWith('(Node)');
    return [name, { on: names(on), ...(node && { node: names(node) }), ...(nodeOnly && { nodeOnly }) }];
  });
  expect(Object.fromEntries(told)).toEqual(house);
});
