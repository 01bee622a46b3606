/** `tokenize`, and the checks of tokens, on the real small model where it is at hand. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { checkTokens, parseTokens } from '../src/language-model';
import { runCli } from './cli';

const models = process.env.CROSSGATE_MODELS;
const hasModel = models !== undefined && existsSync(join(models, 'stories260K'));

describe.skipIf(!hasModel)('stories260K (CROSSGATE_MODELS)', () => {
  const env = { CROSSGATE_MODELS: models ?? '' };

  it.each(['stories260K', 'stories260K/hf', 'stories260K/stories260K.gguf'])(
    '%s gives the known tokens',
    async (name) => {
      const cwd = await folderWith();
      const { code, stdout } = await runCli(['tokenize', '--model', name, '--text', 'Once upon a time', '--json'], {
        cwd,
        env,
      });
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toEqual({
        tokens: [1, 403, 407, 261, 378],
        pieces: ['<s>', '▁Once', '▁upon', '▁a', '▁time'],
      });
      const bare = await runCli(['tokenize', '--model', name, '--text', 'Once', '--no-bos', '--json'], { cwd, env });
      expect(JSON.parse(bare.stdout)).toEqual({ tokens: [403], pieces: ['▁Once'] });
    },
  );

  it('refuses tokens outside the vocabulary before any GPU is opened', async () => {
    const cwd = await folderWith();
    const run = ['logits', '--model', 'stories260K', '--tokens', '1,512'];
    const { code, stdout, stderr } = await runCli(run, { cwd, env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/--tokens: 512 is outside the vocabulary of 512 tokens; ids run from 0 to 511/);
  });
});

describe('tokens', () => {
  it('are whole numbers within the vocabulary and the context', async () => {
    expect(parseTokens('1, 2,3')).toEqual([1, 2, 3]);
    const limits = { vocabSize: 10, maxPositions: 2 };
    await checkTokens([0, 9], limits);
    await expect(checkTokens([10], limits)).rejects.toThrow(/outside the vocabulary/);
    await expect(checkTokens([1, 1, 1], limits)).rejects.toThrow(/--tokens: 3 tokens exceed the model's context of 2/);
    // Refused before a model is loaded, in the words of whose limit it is.
    const long = { vocabSize: 10, maxPositions: 131_072 };
    await checkTokens(Array(131_072).fill(1), long);
    await expect(checkTokens(Array(131_073).fill(1), long)).rejects.toThrow(
      /131073 tokens exceed the model's context of 131072$/,
    );
  });
});
