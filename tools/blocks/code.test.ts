/** Code blocks of the documentation run: TypeScript, WGSL, configs and JSON, apart from those of not-run.mjs. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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
    await writeFile(join(cwd, 'own.yaml'), text.replace(/^extends: /m, `extends: ${root}configs/ml-1m/`));
    const config = await loadConfig('own.yaml', { cwd });
    expect(config.method).toBeTypeOf('string');
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
});

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
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'crossgate-reader-'));
    await makeReader(cwd);
    // Below the root, where packages are found by their names.
    await mkdir(join(root, '.cache'), { recursive: true });
    own = await mkdtemp(join(root, '.cache', 'blocks-'));
    process.chdir(cwd);
    process.argv = process.argv.slice(0, 2);
  }, 300_000);
  afterAll(async () => {
    process.chdir(kept.cwd);
    process.argv = kept.argv;
    await rm(cwd, { recursive: true, force: true });
    await rm(own, { recursive: true, force: true });
  });
  beforeEach(() => {
    vi.spyOn(console, 'log').mockImplementation(() => {});
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  /** Writes a block as a module and imports it. */
  async function runBlock(name: string, text: string): Promise<Record<string, unknown>> {
    const path = join(own, `${name.replace(/\W+/g, '-')}.ts`);
    await mkdir(dirname(path), { recursive: true });
    const code = shorter.reduce((changed, [from, to]) => changed.replace(from, to), text);
    await writeFile(path, `${code}\nexport {};\n`);
    return import(path);
  }

  const special = /^import source from|CROSSGATE_URL/m;
  it.each(
    ofLanguage('ts')
      .filter(({ text }) => !special.test(text))
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
    await using session = openSession();
    await using run: LiveRun = await openLiveRun(session, 'runs/mf-1');
    await using server = await createServer(run, { tokens: ['a-long-random-token'] });
    const { url } = await listen(server, { port: 0 });
    vi.stubEnv('CROSSGATE_URL', url);
    vi.stubEnv('CROSSGATE_TOKEN', 'a-long-random-token');
    await runBlock(client!.name, client!.text);
    expect(console.log).toHaveBeenCalledTimes(5);
  });
});
