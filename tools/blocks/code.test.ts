/** Code blocks of the documentation run: TypeScript, WGSL, configs and JSON, apart from those of not-run.mjs. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { env } from 'node:process';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LiveRun, loadConfig, openLiveRun, openSession } from '../../packages/experiment/src';
import { openDevice } from '../../packages/gpu/src/node';
import { createServer, listen } from '../../packages/serve/src';
import { root } from '../site/pages.mjs';
import { findBlocks, reasonOf } from './blocks.mjs';
import { makeReader } from './reader';

const blocks = findBlocks().map((block) => ({ ...block, name: `${block.file}:${block.line}` }));
const ofLanguage = (...languages: string[]) =>
  blocks.filter(({ language, file, text }) => languages.includes(language) && reasonOf(file, text) === undefined);

it('knows every language', () => {
  const known = ['', 'sh', 'ts', 'yaml', 'json', 'wgsl'];
  expect(blocks.filter(({ language }) => !known.includes(language)).map(({ name }) => name)).toEqual([]);
});

it.each(ofLanguage('json').map(({ name, text }) => [name, text]))('%s is JSON', (_, text) => {
  expect(JSON.parse(text)).toBeTypeOf('object');
});

it.each(ofLanguage('yaml').map(({ name, text }) => [name, text]))('%s is a config', async (_, text) => {
  const cwd = await mkdtemp(join(tmpdir(), 'crossgate-config-'));
  try {
    // A part of a config stands in one of a method.
    const whole = /^(method|extends):/m.test(text) ? text : `method: mf\n${text}`;
    await writeFile(join(cwd, 'own.yaml'), whole.replace(/^extends: /m, `extends: ${root}configs/ml-1m/`));
    const config = await loadConfig('own.yaml', { cwd });
    expect(config.method).toBeTypeOf('string');
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
});

/** Our packages as blocks name them, by the sources of their entries: not all are dependencies of the root. */
const sources = new Map(
  ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((folder) => {
      const manifest = JSON.parse(readFileSync(join(root, group, folder, 'package.json'), 'utf8'));
      const entries = Object.entries<Record<string, string>>(manifest.exports ?? {});
      return entries.map(([entry, files]): [string, string] => [
        `${manifest.name}${entry.slice(1)}`,
        join(root, group, folder, files['@crossgate/source'] ?? ''),
      ]);
    }),
  ),
);

/** What makes a block take seconds: fewer epochs, and no wait for the end of a server. */
const shorter: readonly [RegExp, string][] = [
  [/\bepochs: (500|200)\b/, 'epochs: 1'],
  [/warmupEpochs: 250/, 'warmupEpochs: 0'],
  [/cfDim: (128|64)/, 'cfDim: 8'],
  [/port: 8080/, 'port: 0'],
  [/^await server\.lost;.*$/m, ''],
];

describe('TypeScript', () => {
  const kept = { cwd: process.cwd(), argv: process.argv };
  let cwd = '';
  let own = '';
  let fresh = '';
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'crossgate-reader-'));
    await makeReader(cwd);
    // Below the root, where packages are found by their names.
    await mkdir(join(root, '.cache'), { recursive: true });
    own = await mkdtemp(join(root, '.cache', 'blocks-'));
    // Without runs, for a block that trains one.
    fresh = await mkdtemp(join(tmpdir(), 'crossgate-fresh-'));
    await symlink(join(root, 'configs'), join(fresh, 'configs'));
    process.argv = process.argv.slice(0, 2);
  }, 300_000);
  afterAll(async () => {
    process.chdir(kept.cwd);
    process.argv = kept.argv;
    await rm(cwd, { recursive: true, force: true });
    for (const folder of [own, fresh]) await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    vi.spyOn(console, 'log').mockImplementation(() => {});
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Writes a block as a module and imports it. */
  async function runBlock(name: string, text: string): Promise<Record<string, unknown>> {
    const path = join(own, `${name.replace(/\W+/g, '-')}.ts`);
    await mkdir(dirname(path), { recursive: true });
    const named = text.replace(/(?<=from ')@crossgate\/[^']+/g, (specifier) => sources.get(specifier) ?? specifier);
    const code = shorter.reduce((changed, [from, to]) => changed.replace(from, to), named);
    await writeFile(path, `${code}\nexport {};\n`);
    process.chdir(/runExperiment/.test(text) ? fresh : cwd);
    return import(path);
  }

  const special = /^import source from|CROSSGATE_URL/m;
  it.each(
    ofLanguage('ts')
      // The same text twice is run once.
      .filter(({ text }, index, all) => !special.test(text) && all.findIndex((other) => other.text === text) === index)
      .map(({ name, text }) => [name, text]),
  )('%s runs', async (name, text) => {
    await runBlock(name, text);
  });

  it('shows a kernel that computes what its page says', async () => {
    const wgsl = ofLanguage('wgsl');
    const launchers = ofLanguage('ts').filter(({ text }) => /^import source from/m.test(text));
    expect([wgsl.length, launchers.length]).toEqual([1, 1]);
    await writeFile(join(own, 'square.wgsl'), wgsl[0]!.text);
    const module = await runBlock(launchers[0]!.name, launchers[0]!.text);
    const square = module.square as (device: unknown, args: unknown) => void;
    const device = await openDevice();
    {
      using _ = device.step();
      const [x, out] = [device.memory.allocate(4 * 70), device.memory.allocate(4 * 70)];
      const values = Float32Array.from({ length: 70 }, (_, i) => i - 30);
      device.recorder.write(x, values);
      square(device, { x, out, count: 70 });
      const squares = new Float32Array(await device.recorder.read(out));
      expect(Array.from(squares)).toEqual(Array.from(values, (value) => value * value));
    }
    await device.destroy();
  });

  it('shows a client that a server answers', async () => {
    const [client] = ofLanguage('ts').filter(({ text }) => /CROSSGATE_URL/.test(text));
    process.chdir(cwd);
    await using session = openSession();
    await using run: LiveRun = await openLiveRun(session, 'runs/mf-1');
    await using server = await createServer(run, { tokens: ['a-long-random-token'] });
    const { url } = await listen(server, { port: 0 });
    // Its own, which vitest's `process.env` is not.
    env.CROSSGATE_URL = url;
    env.CROSSGATE_TOKEN = 'a-long-random-token';
    await runBlock(client!.name, client!.text).finally(() => {
      delete env.CROSSGATE_URL;
      delete env.CROSSGATE_TOKEN;
    });
    expect(console.log).toHaveBeenCalledTimes(5);
  });
});
