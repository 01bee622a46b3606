/** `crossgate model quantize`, on a model made on the spot. No GPU is needed. */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel } from '@crossgate/llm/node';
import { folderWith, writeTinyModel } from '@crossgate/testing/node';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli';

let cwd = '';
beforeEach(async () => {
  cwd = await folderWith();
  await writeTinyModel(join(cwd, 'models', 'tiny'));
});

const layer = 'model.layers.0.mlp.down_proj.weight';
const embeddings = 'model.embed_tokens.weight';

it.each([
  ['int8', 'Q8_0', 1.5 / 254],
  ['int4', 'Q4_0', 0.2],
])('writes a folder with layers of %s, tokenizer and all', async (to, type, bound) => {
  const line = ['model', 'quantize', 'tiny', '--to', to, '--out', 'small', '--json'];
  const { code, stdout } = await runCli(line, { cwd });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ out: 'small', weights: to, dtype: 'F32' });
  const [base, copy] = [await openModel(join(cwd, 'models', 'tiny')), await openModel(join(cwd, 'small'))];
  expect(copy.config).toEqual(base.config);
  expect((await copy.tokenizer()).encode('ab')).toEqual((await base.tokenizer()).encode('ab'));
  expect(copy.source.tensors.get(layer)?.dtype).toBe(type);
  expect(copy.source.tensors.get(embeddings)?.dtype).toBe('Q8_0');
  const norm = 'model.norm.weight';
  expect(await copy.source.readAll(norm)).toEqual(await base.source.readAll(norm));
  for (const [name, limit] of [
    [layer, bound],
    [embeddings, 1.5 / 254],
  ] as const) {
    const [before, after] = [await base.source.readAll(name), await copy.source.readAll(name)];
    const most = before.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const difference = Math.max(...before.map((value, i) => Math.abs(value - after[i]!)));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(limit * most);
  }
  await base.close();
  await copy.close();

  const info = JSON.parse((await runCli(['model', 'info', 'small', '--json'], { cwd })).stdout);
  const asked = JSON.parse((await runCli(['model', 'info', 'tiny', '--weights', to, '--json'], { cwd })).stdout);
  expect(Object.keys(info.types)).toContain(type);
  expect(info.deviceBytes).toBe(asked.deviceBytes);
});

it('refuses a folder in use and types that do not exist', async () => {
  const used = await runCli(['model', 'quantize', 'tiny', '--out', 'models'], { cwd });
  expect(used.code).toBe(2);
  expect(used.stderr).toMatch(/models: is not empty; choose another --out/);
  const unknown = await runCli(['model', 'quantize', 'tiny', '--to', 'int3', '--out', 'x'], { cwd });
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toMatch(/int8, int4/);
  expect(await readdir(cwd)).toEqual(['models']);
});

const stories = join(process.env.CROSSGATE_MODELS ?? '', 'stories260K', 'stories260K.gguf');
const missing = existsSync(stories) ? '' : ' (CROSSGATE_MODELS does not lead to stories260K)';

describe.skipIf(missing)(`a GGUF file${missing}`, () => {
  const tokenize = (model: string, text: string) =>
    runCli(['tokenize', '--model', model, '--text', text, '--json'], { cwd });

  it('leaves its tokenizer too, which gives the same tokens', async () => {
    const { code, stderr } = await runCli(['model', 'quantize', stories, '--out', 'small'], { cwd });
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/tokenizer/);
    for (const text of ['Once upon a time', ' é😀 aaaaa', 'Hello,  world\n1,234.50', '日本 <s>']) {
      const { code, stdout } = await tokenize('./small', text);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toEqual(JSON.parse((await tokenize(stories, text)).stdout));
    }
  });

  it('leaves none where it is not supported, and says what to do about it', async () => {
    const bytes = await readFile(stories);
    const key = 'tokenizer.ggml.model';
    // The value of a key: its type in 4 bytes, its length in 8.
    bytes.write('bert!', bytes.indexOf(key) + key.length + 12, 'latin1');
    await writeFile(join(cwd, 'other.gguf'), bytes);
    const { code, stderr } = await runCli(['model', 'quantize', './other.gguf', '--out', 'small'], { cwd });
    expect(code).toBe(0);
    expect(stderr).toMatch(/small gets no tokenizer, copy tokenizer\.json of the original model there.*"bert!"/);
    const after = await tokenize('./small', 'a');
    expect(after.code).toBe(2);
    expect(after.stderr).toMatch(/no tokenizer\.json; copy tokenizer\.json and tokenizer_config\.json of the original/);
  });
});
