/** What a config leaves to its method, and what a method lacks. */
import { folderWith } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { loadConfig } from '../src/config/load';

async function load(text: string, set: string[] = []) {
  const cwd = await folderWith({ 'c.yaml': text });
  return loadConfig('c.yaml', { cwd, set });
}

it("is the method's own strategy and loss", async () => {
  const of = async (method: string, more = '') => {
    const { training, loss } = await load(`method: ${method}\nllm: { path: m }\n${more}`);
    return [training.strategy, loss.name, loss.k];
  };
  expect(await of('ccf')).toEqual(['two-stage', 'eq5', 2]);
  expect(await of('tallrec')).toEqual(['stage1-only', 'yes-logit-bce', 2]);
  expect(await of('ccf', 'training: { strategy: end-to-end }\nloss: { name: answer-ce }\n')).toEqual([
    'end-to-end',
    'answer-ce',
    2,
  ]);
  // A section that is nothing is a mistake as before.
  await expect(of('ccf', 'loss: 3\n')).rejects.toThrow(/c\.yaml:3:1: loss: must be a mapping/);
});

it('is refused for a strategy that the method lacks', async () => {
  await expect(load('method: tallrec\nllm: { path: m }\n', ['training.strategy=end-to-end'])).rejects.toThrow(
    'training.strategy: tallrec cannot be trained end-to-end; choose stage1-only',
  );
});

it('understands the run of a program that let a method have any strategy', async () => {
  const text = 'method: tallrec\nllm: { path: m }\ntraining: { strategy: two-stage }\n';
  await expect(load(text)).rejects.toThrow(/cannot be trained two-stage/);
  expect((await load(`${text}provenance: { node: v20 }\n`)).training.strategy).toBe('stage1-only');
});
