/** `crossgate adapter`: PEFT folders in and out of the command line, and what is refused. No GPU is needed. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '@crossgate/files';
import { encodePeftAdapter, mergedWeights, type PeftAdapter, readPeftAdapter } from '@crossgate/llm';
import { openFolder, openModel } from '@crossgate/llm/node';
import { encodeState, type HostState, parseState, RandomStream } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { folderWith, writeTinyModel } from '@crossgate/testing/node';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli';

const module = 'model.layers.0.self_attn.q_proj';
const options = { rank: 2, alpha: 3, dropout: 0.1, targets: ['q_proj'], rankStabilized: true };

let cwd = '';
beforeEach(async () => {
  cwd = await folderWith();
  await writeTinyModel(join(cwd, 'models', 'tiny'));
  const random = new RandomStream(3, 'adapter');
  const state: HostState = new Map([
    [`${module}.lora_A.weight`, { shape: [2, 16], data: random.normals(32, 0.5) }],
    [`${module}.lora_B.weight`, { shape: [16, 2], data: random.normals(32, 0.5) }],
  ]);
  await mkdir(join(cwd, 'run', 'adapter'), { recursive: true });
  for (const [name, content] of encodePeftAdapter({ options, state, baseModel: 'tiny' })) {
    await writeAtomic(join(cwd, 'run', 'adapter', name), content);
  }
  await writeFile(join(cwd, 'run', 'config.yaml'), 'name: a\nmethod: ccf\ndata: { name: demo }\nllm: { path: tiny }\n');
});

const read = async (folder: string, model = 'models/tiny'): Promise<PeftAdapter> => {
  const files = await openModel(join(cwd, model));
  try {
    return await readPeftAdapter(openFolder(join(cwd, folder)), files.config);
  } finally {
    await files.close();
  }
};

it('exports the adapter of a run', async () => {
  const { code, stdout, stderr } = await runCli(['adapter', 'export', 'run', '--out', 'out/peft', '--json'], { cwd });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ out: 'out/peft', baseModel: 'tiny', rank: 2, alpha: 3, layers: 1 });
  const [exported, original] = [await read('out/peft'), await read('run/adapter')];
  expect(exported.state).toEqual(original.state);
  expect(exported.options).toEqual(original.options);
  expect((await readdir(join(cwd, 'out'))).sort()).toEqual(['peft']);
});

it('merges the adapter of a run into its model, tokenizer and all', async () => {
  const { code, stderr } = await runCli(['adapter', 'merge', 'run', '--out', 'merged'], { cwd });
  expect({ code, stderr: stderr.replace(/^.*merging.*\n/gm, '') }).toEqual({ code: 0, stderr: '' });
  const [base, merged] = [await openModel(join(cwd, 'models', 'tiny')), await openModel(join(cwd, 'merged'))];
  expect(merged.config).toEqual(base.config);
  const expected = mergedWeights(base.source, await read('run/adapter'));
  for (const name of base.source.tensors.keys()) {
    expect(await merged.source.readAll(name), name).toEqual(await expected.readAll(name));
  }
  const [before, after] = [
    await base.source.readAll(`${module}.weight`),
    await merged.source.readAll(`${module}.weight`),
  ];
  expect(Math.max(...before.map((value, i) => Math.abs(value - after[i]!)))).toBeGreaterThan(0.1);
  expect((await merged.tokenizer()).encode('ab')).toEqual((await base.tokenizer()).encode('ab'));
  await base.close();
  await merged.close();
});

it('merges a PEFT folder into a model that is named, in halves', async () => {
  const line = ['adapter', 'merge', 'run/adapter', '--model', 'tiny', '--out', 'half', '--dtype', 'f16', '--json'];
  const { code, stdout } = await runCli(line, { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout).dtype).toBe('F16');
  expect(JSON.parse(await readFile(join(cwd, 'half', 'config.json'), 'utf8')).torch_dtype).toBe('float16');
  const half = await openModel(join(cwd, 'half'));
  expect(half.source.tensors.get(`${module}.weight`)?.dtype).toBe('F16');
  await half.close();
});

it('merges into a model of blocks in halves, though its norms are f32', async () => {
  const quantized = await runCli(['model', 'quantize', 'tiny', '--out', 'blocks'], { cwd });
  expect(quantized.code).toBe(0);
  const line = ['adapter', 'merge', 'run', '--model', './blocks', '--out', 'merged', '--json'];
  const { code, stdout } = await runCli(line, { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout).dtype).toBe('F16');
  const merged = await openModel(join(cwd, 'merged'));
  for (const [name, { dtype }] of merged.source.tensors) expect(dtype, name).toBe('F16');
  await merged.close();
});

it('merges into a head that differs from tied embeddings, and says which is used', async () => {
  const path = join(cwd, 'models', 'tiny', 'model.safetensors');
  const file = await openFile(path);
  const { state } = await parseState(file);
  await file.close();
  const { shape, data } = state.get('model.embed_tokens.weight')!;
  state.set('lm_head.weight', { shape, data: data.map((value) => -value) });
  await writeAtomic(path, encodeState(state));
  const line = ['adapter', 'merge', 'run', '--out', 'merged', '--json'];
  const { code, stdout, stderr } = await runCli(line, { cwd });
  expect(code).toBe(0);
  expect(stderr).toMatch(/lm_head\.weight differs from model\.embed_tokens\.weight; the head of the file is used/);
  expect(JSON.parse(stdout).adapterTensors).toEqual({ applied: 2, missing: 0, unused: 0 });
  const merged = await openModel(join(cwd, 'merged'));
  expect(merged.source.warnings).toEqual([]);
  expect(merged.config.tieWordEmbeddings).toBe(false);
  expect(await merged.source.readAll('lm_head.weight')).toEqual(data.map((value) => -value));
  await merged.close();
  const info = await runCli(['model', 'info', 'tiny', '--json'], { cwd });
  expect(JSON.parse(info.stdout)).toMatchObject({
    tieWordEmbeddings: false,
    warnings: [expect.stringContaining('the head of the file is used')],
  });
});

it('says which tensors are not used, and refuses an adapter without tensors', async () => {
  const config = join(cwd, 'run', 'adapter', 'adapter_config.json');
  const settings = JSON.parse(await readFile(config, 'utf8'));
  await writeFile(config, JSON.stringify({ ...settings, target_modules: ['k_proj'], nova: 1 }));
  const other = await runCli(['adapter', 'export', 'run', '--out', 'x'], { cwd });
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(
    /k_proj\.lora_A\.weight" is missing, target_modules asks for it; of 2 tensors .* 2 are missing/,
  );
  await writeFile(config, JSON.stringify({ ...settings, nova: 1 }));
  const unknown = await runCli(['adapter', 'export', 'run', '--out', 'y'], { cwd });
  expect(unknown.code).toBe(0);
  expect(unknown.stderr).toMatch(/adapter_config\.json: not known here: nova \(1\)/);
  expect(unknown.stdout).toMatch(/2 tensors, none missing, none unused/);
  await writeAtomic(join(cwd, 'run', 'adapter', 'adapter_model.safetensors'), encodeState(new Map()));
  const empty = await runCli(['adapter', 'merge', 'run', '--out', 'z'], { cwd });
  expect(empty.code).toBe(2);
  expect(empty.stderr).toMatch(/the file has no tensor; 2 are due, such as base_model\.model\.model\.layers\.0/);
  expect((await readdir(cwd)).sort()).toEqual(['models', 'run', 'y']);
});

describe('ends with exit code 2', () => {
  it.each<[string, string[], RegExp]>([
    ['for a path that is not there', ['export', 'none', '--out', 'x'], /none: not found; give a run folder/],
    ['for a folder that is no run', ['export', 'models', '--out', 'x'], /is neither a run nor a PEFT folder/],
    [
      'for an adapter without a model',
      ['merge', 'run/adapter', '--out', 'x'],
      /the model is not known; give it with --model/,
    ],
    [
      'for a model that is not there',
      ['merge', 'run', '--out', 'x', '--model', 'big'],
      /--model: big: model not found/,
    ],
    ['for a folder in use', ['merge', 'run', '--out', 'models'], /models: is not empty; choose another --out/],
    ['for a file', ['export', 'run', '--out', 'models/file'], /file: is a file; choose another --out/],
    ['for a file of the run', ['export', 'run', '--out', 'run/config.yaml'], /--out: .*run\/config\.yaml.*read/],
  ])('%s', async (_, line, message) => {
    await writeFile(join(cwd, 'models', 'file'), '');
    const { code, stdout, stderr } = await runCli(['adapter', ...line], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(await readdir(cwd)).not.toContain('x');
  });

  it('for a damaged adapter, and leaves nothing behind', async () => {
    const path = join(cwd, 'run', 'adapter', 'adapter_model.safetensors');
    await writeFile(path, (await readFile(path)).subarray(0, 300));
    const { code, stderr } = await runCli(['adapter', 'merge', 'run', '--out', 'x'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(/adapter_model\.safetensors/);
    expect((await readdir(cwd)).sort()).toEqual(['models', 'run']);
  });
});
