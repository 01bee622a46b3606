/** The documentation is true: links lead somewhere, TypeScript in it compiles, and the examples of the packages run. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { folderWith, inventedMl1m } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));
const folders = ['packages', 'apps'].flatMap((group) =>
  readdirSync(join(root, group)).map((name) => ({ name, path: join(root, group, name) })),
);

function markdownIn(folder: string, recursive: boolean): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
    .map((file) => join(folder, file));
}

const documents = [
  ...markdownIn(root, false),
  ...markdownIn(join(root, 'docs'), true),
  ...['studies', 'reference'].flatMap((name) => markdownIn(join(root, name), false)),
  ...folders.flatMap(({ path }) => markdownIn(path, false)),
];

describe.each(documents.map((path) => [relative(root, path), path] as const))('%s', (_, path) => {
  const text = readFileSync(path, 'utf8');

  it('links to files that exist', () => {
    const prose = text.replace(/^```[\s\S]*?^```/gm, '');
    const targets = [...prose.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)].map((match) => match[1]!);
    const local = targets.filter((target) => !/^[a-z]+:/.test(target));
    expect(local.filter((target) => !existsSync(join(dirname(path), target)))).toEqual([]);
  });

  it('names files of the checkout that exist', () => {
    const named = [
      ...text.matchAll(/(?<![\w./-])((?:configs|packages|apps|tools|studies|reference|docs)\/[\w./-]*\w\.\w+)/g),
    ];
    const paths = [...new Set(named.map((match) => match[1]!))];
    const near = (file: string) => existsSync(join(root, file)) || existsSync(join(dirname(path), file));
    expect(paths.filter((file) => !near(file))).toEqual([]);
  });
});

/** The `ts` blocks of all documents, by the name of a file. */
function snippets(): Map<string, string> {
  const files = new Map<string, string>();
  for (const path of documents) {
    const blocks = [...readFileSync(path, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)];
    const stem = relative(root, path).replace(/[^\w]+/g, '-');
    blocks.forEach((block, i) => {
      files.set(`${stem}-${i + 1}.ts`, block[1]!);
    });
  }
  return files;
}

it('shows TypeScript that compiles', async () => {
  const files = snippets();
  expect(files.size).toBeGreaterThan(8);
  const paths: Record<string, string[]> = {};
  for (const { name, path } of folders) {
    const { exports = {} } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    for (const [entry, files] of Object.entries<Record<string, string>>(exports)) {
      // The declarations that users have: checking our sources once more takes ten times as long.
      if (files.types) paths[`@crossgate/${name}${entry.slice(1)}`] = [join(path, files.types)];
    }
  }
  // Inside the checkout, whose dependencies they use.
  mkdirSync(join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, '.cache/snippets-'));
  try {
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
    const include = ['*.ts', '../../packages/*/src/wgsl.d.ts'];
    const config = { extends: '../../tsconfig.base.json', compilerOptions: { paths }, include };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const tsc = join(root, 'node_modules/typescript-7/bin/tsc');
    const problems = await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--pretty', 'false']).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    );
    expect(problems).toBe('');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);

const models = process.env.CROSSGATE_MODELS;
const stories = models && existsSync(join(models, 'stories260K/hf')) ? join(models, 'stories260K/hf') : undefined;
// The real ratings take most of a minute on a slow machine.
const ml1m = async () => join(await folderWith(inventedMl1m(60, 30)), 'ml-1m');

/** Arguments of the examples that take some; undefined where the model is not there. */
const argumentsOf: Readonly<Record<string, readonly (string | undefined | (() => Promise<string>))[]>> = {
  'cf/movielens.mjs': [ml1m, '2'],
  'fusion/ccf.mjs': [stories, ml1m, '16'],
  'llm/generate.mjs': [stories, 'Once upon a time', '4'],
  'llm/inspect.mjs': [stories],
};

const examples = folders.flatMap(({ name, path }) => {
  const folder = join(path, 'examples');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map((file) => ({ name: `${name}/${file}`, file: join(folder, file), folder: path }));
});

describe('the examples', () => {
  it('are there, one of every package at least', () => {
    const packages = readdirSync(join(root, 'packages'));
    expect(packages.filter((name) => !examples.some((example) => example.name.startsWith(`${name}/`)))).toEqual([]);
    const names = examples.map(({ name }) => name);
    expect(Object.keys(argumentsOf).filter((name) => !names.includes(name))).toEqual([]);
  });

  for (const { name, file, folder } of examples) {
    it(`${name} runs`, async ({ skip }) => {
      const given = argumentsOf[name] ?? [];
      skip(!existsSync(join(folder, 'dist')), 'the package is not built: npm run build');
      skip(given.includes(undefined), 'CROSSGATE_MODELS does not hold what it needs');
      const args = await Promise.all(given.map((each) => (typeof each === 'function' ? each() : String(each))));
      // Seconds on an idle machine. On one that is busy with other work the slowest took minutes. They compute more than the
      // tests, so their kernels are optimized, as those of users are.
      const env = { ...process.env, GALLIVM_PERF: '', LP_NATIVE_VECTOR_WIDTH: '' };
      const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], {
        cwd: root,
        env,
        timeout: 580_000,
      });
      expect(stdout).not.toBe('');
    }, 600_000);
  }
});
