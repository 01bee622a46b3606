/** Every kind of tokenizer.json that LLaMA-family models come with, against Hugging Face's own library. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTokenizer } from '../src/node';

/** Made by reference/hugging-face-tokenizers.py. */
const fixtures = fileURLToPath(new URL('fixtures/tokenizers', import.meta.url));
interface Expected {
  readonly encoded: readonly { readonly text: string; readonly ids: readonly number[]; readonly decoded: string }[];
}

test.each(['llama-3', 'qwen-2', 'llama-2', 'llama-2-legacy'])('%s', async (kind) => {
  const { encoded } = JSON.parse(readFileSync(`${fixtures}/${kind}/expected.json`, 'utf8')) as Expected;
  expect(encoded.length).toBeGreaterThan(150);
  const tokenizer = await openTokenizer(`${fixtures}/${kind}`);
  for (const { text, ids, decoded } of encoded) {
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
    expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded);
  }
});
