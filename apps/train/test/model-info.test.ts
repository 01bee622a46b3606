/** `crossgate model info`, on a model made on the spot. No GPU is needed. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith, writeTinyModel } from '@crossgate/testing/node';
import { beforeEach, expect, it } from 'vitest';
import { runCli } from './cli';

let cwd = '';
beforeEach(async () => {
  cwd = await folderWith();
  await writeTinyModel(join(cwd, 'models', 'tiny'));
});

it('says what the model holds and what training it takes', async () => {
  const line = ['model', 'info', 'tiny', '--plan', '--prompts', '2', '--length', '10', '--json'];
  const { code, stdout } = await runCli(line, { cwd });
  expect(code).toBe(0);
  const info = JSON.parse(stdout);
  // Embeddings, four attention matrices, three of the feed-forward, three norms.
  const parameters = info.vocabSize * 16 + 2 * 16 * 16 + 2 * 8 * 16 + 3 * 24 * 16 + 3 * 16;
  expect(info).toMatchObject({ format: 'safetensors', architecture: 'llama', parameters, types: { F32: parameters } });
  expect(info.features).toEqual(['2 query heads share a key/value head', 'head and embeddings shared']);
  expect(info.deviceBytes).toBe(4 * parameters + 4 * 1024 * 8);
  const { weights, parameters: adapter, optimizer, step, total } = info.plan;
  expect(weights).toBe(info.deviceBytes);
  expect(adapter).toBe(8 * (8 * 16 + 16 * 8 + 8 * 16 + 8 * 8));
  expect(weights + adapter + optimizer + step).toBe(total);
});

it('needs no tokenizer, and says so', async () => {
  await writeTinyModel(join(cwd, 'models', 'bare'));
  await rm(join(cwd, 'models', 'bare', 'tokenizer.json'));
  const { code, stdout, stderr } = await runCli(['model', 'info', 'bare'], { cwd });
  expect(code).toBe(0);
  expect(stdout).toMatch(/without a tokenizer/);
  expect(stderr).toMatch(/tokenizer\.json/);
});

it('plans adapters on other layers, and activations in f16', async () => {
  const plan = async (...line: string[]) => {
    const { stdout } = await runCli(['model', 'info', 'tiny', '--plan', '--rank', '2', ...line, '--json'], { cwd });
    return JSON.parse(stdout).plan;
  };
  const down = await plan('--targets', 'down_proj,o_proj');
  expect(down.parameters).toBe(8 * 2 * (24 + 16 + 16 + 16));
  const all = await plan('--targets', 'all-linear');
  expect(all).toEqual(await plan('--targets', '.*_proj'));
  expect(all.step).toBeGreaterThan(down.step);
  // The only layer has its values in f32 while it runs, and their halves besides.
  expect((await plan('--activations', 'f16')).step).toBeGreaterThan((await plan()).step);
  const wrong = await runCli(['model', 'info', 'tiny', '--plan', '--targets', 'query'], { cwd });
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/no layer is named "query"/);
});

it('refuses prompts beyond the context', async () => {
  const { code, stderr } = await runCli(['model', 'info', 'tiny', '--plan', '--length', '2000'], { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(/--length: 2000 tokens exceed the model's context of 1024/);
});

it.each<[string, string[], RegExp]>([
  [
    'a prompt beyond the context',
    ['--prompt', 'a'.repeat(1023)],
    /--prompt: 1025 tokens exceed the model's context of 1024/,
  ],
  [
    'a prompt that leaves no room',
    ['--prompt', 'a'.repeat(1022)],
    /--prompt: its 1024 tokens fill the model's context of 1024/,
  ],
  ['an empty stop', ['--prompt', 'a', '--stop', ''], /--stop.*at least one character/],
])('generate refuses %s before a GPU is opened', async (_, argv, message) => {
  const { code, stderr } = await runCli(['generate', '--model', 'tiny', ...argv], { cwd });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/adapter/);
});
