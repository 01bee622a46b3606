/** Parameters that do not fit the device are found before anything is trained. */
import { listAdapters } from '@crossgate/gpu/node';
import { describe, expect, it, vi } from 'vitest';
import { checkParameterSizes, parameterBytes } from '../src/methods/parameter-sizes';
import { runCli } from './cli';
import { folderWith, inventedMl1m, listing } from './fixtures';
import { writeTinyModel } from './tiny-model';

const limit = 65_536;
const adapters = await listAdapters();

// Every device of this file binds at most 64 KiB, so that small tables are too large.
vi.mock('@crossgate/gpu/node', async (importOriginal) => {
  const original = await importOriginal<typeof import('@crossgate/gpu/node')>();
  const openDevice: typeof original.openDevice = (options = {}) =>
    original.openDevice({ ...options, limits: { maxStorageBufferBindingSize: limit } });
  return { ...original, openDevice };
});

const files = {
  ...inventedMl1m(14, 9),
  'mf.yaml': `method: mf
data: { path: ml-1m }
cf: { cfDim: 8, epochs: 1 }
`,
  'ccf.yaml': `extends: mf.yaml
method: ccf
llm: { path: model }
lora: { rank: 2 }
alg: { hiddenFactor: 2 }
gate: { hidden: 8 }
`,
};

describe('checkParameterSizes', () => {
  const device = {
    capabilities: {
      name: 'a small one',
      limits: { maxStorageBufferBindingSize: 4096, minStorageBufferOffsetAlignment: 256 },
    },
  } as Parameters<typeof checkParameterSizes>[0];

  it('lets pass what just fits and names what does not', () => {
    expect(parameterBytes([32, 32])).toBe(4096);
    checkParameterSizes(device, 'a.b', new Map([['w', [32, 32]]]));
    const shapes = new Map([
      ['small', [4]],
      ['w', [33, 32]],
    ]);
    expect(() => checkParameterSizes(device, 'a.b', shapes)).toThrow(
      'a.b: w [33, 32] takes 4.1 KiB, but a small one binds at most 4.0 KiB; lower a.b',
    );
    expect(() => checkParameterSizes(device, 'a.b', shapes)).toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  it('lets tables of users and items be taken in parts, as long as a batch of vectors can', () => {
    const table = (name: string, columns: number) => new Map([[name, [9999, columns]]]);
    // 64 indices take 256 bytes, so 64 rows must fit.
    checkParameterSizes(device, 'a.b', table('user_embedding.weight', 16));
    for (const [name, columns] of [
      ['item_embedding.weight', 17],
      ['position_embedding.weight', 16],
    ] as const) {
      expect(() => checkParameterSizes(device, 'a.b', table(name, columns))).toThrow(
        `${name} [9999, ${columns}] takes`,
      );
    }
  });
});

describe.skipIf(adapters.length === 0)('train, on a device that binds 64 KiB', () => {
  it.each([
    ['mf.yaml', 'cf.cfDim=20000', /cf\.cfDim: user_embedding\.weight \[15, 20000\] takes 1\.1 MiB.* 64\.0 KiB/],
    ['ccf.yaml', 'cf.cfDim=20000', /cf\.cfDim: user_embedding\.weight/],
    ['ccf.yaml', 'alg.hiddenFactor=1024', /alg\.hiddenFactor or cf\.cfDim: alg\.hidden\.weight \[8192, 8\]/],
    ['ccf.yaml', 'gate.hidden=1025', /gate\.hidden: gate\.cf\.hidden\.weight \[1025, 16\] takes 64\.1 KiB/],
    ['ccf.yaml', 'lora.rank=1025', /lora\.rank: model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight \[1025, 16\]/],
  ])('%s with %s ends before training', async (config, set, expected) => {
    const cwd = await folderWith(files);
    await writeTinyModel(`${cwd}/model`);
    const before = await listing(cwd);
    const { code, stdout, stderr } = await runCli(['train', config, '--run', 'r', '--set', set], { cwd });
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/training mf|best validation/);
    expect(await listing(cwd)).toEqual(before);
  });

  it('trains tables of users and items that take several bindings', async () => {
    const cwd = await folderWith({ ...files, ...inventedMl1m(90, 9) });
    const set = ['--set', 'cf.cfDim=200', '--set', 'cf.mf.biases=true'];
    const { code, stdout, stderr } = await runCli(['train', 'mf.yaml', '--run', 'r', '--json', ...set], { cwd });
    expect(code, stderr).toBe(0);
    expect(4 * 91 * 200).toBeGreaterThan(limit);
    const { metrics } = JSON.parse(stdout) as { metrics: { test: { rows: number; auc: number } } };
    expect(metrics.test.auc).toBeGreaterThan(0);
  });
});
