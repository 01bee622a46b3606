/** Parameters that do not fit the device are found before anything is trained. */
import { listAdapters } from '@crossgate/gpu/node';
import { folderWith, inventedMl1m, listing, writeTinyModel } from '@crossgate/testing/node';
import { describe, expect, it, vi } from 'vitest';
import { runCli } from './cli';

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
