/** Every kind of tokenizer.json that LLaMA-family models come with, and every form of its steps, against Hugging Face's own library. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTokenizer } from '../src/node';

/** Made by reference/hugging-face-tokenizers.py. */
const fixtures = fileURLToPath(new URL('fixtures/tokenizers', import.meta.url));
interface Encoded {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
  /** Without the tokens that control a model; absent: as `ids`. */
  readonly asText?: readonly number[];
}

test.each(readdirSync(fixtures))('%s', async (kind) => {
  const { encoded } = JSON.parse(readFileSync(`${fixtures}/${kind}/expected.json`, 'utf8')) as {
    readonly encoded: readonly Encoded[];
  };
  expect(encoded.length).toBeGreaterThan(70);
  // Texts that spell control tokens: with and without them the ids differ.
  expect(encoded.filter(({ asText }) => asText).length).toBeGreaterThan(0);
  const tokenizer = await openTokenizer(`${fixtures}/${kind}`);
  for (const { text, ids, decoded, asText = ids } of encoded) {
    expect(tokenizer.encode(text, { control: true }), JSON.stringify(text)).toEqual(ids);
    expect(tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded);
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(asText);
  }
});
