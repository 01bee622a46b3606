/** Folders with tokenizer.model alone: against Google's sentencepiece, and what is done with other and damaged files. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { memoryFolder, tokenizerFromFolder } from '../src/formats/index';
import { parseSentencePiece } from '../src/formats/sentencepiece';
import { concatenate, seededUniform } from './fixtures';

/** Made by reference/sentencepiece-model.py. */
const fixture = (name: string) => readFileSync(new URL(`fixtures/sentencepiece/${name}`, import.meta.url));
const bytes = new Uint8Array(fixture('tokenizer.model'));
const expected = JSON.parse(fixture('expected.json').toString()) as {
  readonly pieces: number;
  readonly encoded: readonly { readonly text: string; readonly ids: readonly number[] }[];
};

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const folder = (model: Uint8Array, files: Record<string, unknown> = {}) =>
  memoryFolder(
    'm',
    new Map([['tokenizer.model', model], ...Object.entries(files).map(([k, v]) => [k, text(v)] as const)]),
  );

test('gives the tokens of sentencepiece, and the text back', async () => {
  const tokenizer = await tokenizerFromFolder(folder(bytes));
  expect([tokenizer.vocabSize, tokenizer.bosTokenId, tokenizer.eosTokenIds]).toEqual([expected.pieces, 1, [2]]);
  expect(tokenizer.addsBos).toBe(true);
  expect(expected.encoded.length).toBeGreaterThan(200);
  for (const { text, ids } of expected.encoded) {
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
    // The sign for a space comes back as one.
    expect(tokenizer.decode(ids)).toBe(text.replaceAll('▁', ' '));
  }
  expect(tokenizer.pieces(tokenizer.encode('the garden', { bos: true }))[0]).toBe('<s>');
});

describe('beside it', () => {
  test('tokenizer_config.json names special tokens and adds some', async () => {
    const config = {
      add_bos_token: false,
      bos_token: { content: '</s>' },
      eos_token: '<pad>',
      added_tokens_decoder: { 1: { content: '<s>', special: true }, 480: { content: '<pad>', special: true } },
    };
    const tokenizer = await tokenizerFromFolder(folder(bytes, { 'tokenizer_config.json': config }));
    expect([tokenizer.vocabSize, tokenizer.addsBos, tokenizer.bosTokenId]).toEqual([481, false, 2]);
    expect(tokenizer.eosTokenIds).toEqual([480]);
    expect(tokenizer.encode('<pad>', { control: true })).toEqual([480]);
  });

  test('added_tokens.json adds some', async () => {
    const tokenizer = await tokenizerFromFolder(folder(bytes, { 'added_tokens.json': { '[PAD]': 480 } }));
    expect(tokenizer.tokenToId('[PAD]')).toBe(480);
    expect(tokenizer.encode('the[PAD]', { control: true }).at(-1)).toBe(480);
  });

  test('tokens beyond the rows of the model are refused by name where they are used', async () => {
    const files = { 'added_tokens.json': { '<pad>': 480 }, 'config.json': { vocab_size: 480 } };
    const tokenizer = await tokenizerFromFolder(folder(bytes, files));
    expect(tokenizer.encode('the <pad> garden')).not.toContain(480);
    expect(() => tokenizer.encode('the <pad> garden', { control: true })).toThrow(
      /no row for the token "<pad>" \(480\), only 480 rows; leave it out/,
    );
    const fewer = tokenizerFromFolder(folder(bytes, { 'config.json': { vocab_size: 479 } }));
    await expect(fewer).rejects.toThrow(/has 480 tokens, but the model only 479/);
  });

  test('tokenizer.json comes first', async () => {
    const json = { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } };
    expect((await tokenizerFromFolder(folder(bytes, { 'tokenizer.json': json }))).vocabSize).toBe(1);
  });
});

describe('is refused', () => {
  /** One field of protocol buffers of fewer than 128 bytes. */
  const field = (number: number, content: Uint8Array | number) =>
    typeof content === 'number'
      ? Uint8Array.of(number << 3, content)
      : concatenate([Uint8Array.of((number << 3) | 2, content.length), content]);
  const piece = field(1, field(1, Uint8Array.of(97)));
  const bpe = field(2, field(3, 2));
  const plain = field(3, field(4, 0));

  test.each<[string, Uint8Array[], RegExp]>([
    ['without pieces', [bpe, plain], /m\/tokenizer\.model: it is no SentencePiece model/],
    ['of the kind unigram', [piece, plain], /of the kind "unigram" are not supported; supported: "bpe"/],
    ['of the kind word', [piece, field(2, field(3, 3)), plain], /of the kind "word"/],
    ['with a table of characters', [piece, bpe, field(3, field(2, Uint8Array.of(1)))], /normalizes texts by a table/],
    ['that removes spaces', [piece, bpe, field(3, new Uint8Array())], /removes extra spaces/],
    ['with a length beyond the end', [piece, bpe, plain, Uint8Array.of(10, 5)], /damaged or cut off/],
    ['that ends within a number', [piece, bpe, plain, Uint8Array.of(255)], /damaged or cut off/],
    ['as a pointer of Git LFS', [new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n')], /Git LFS/],
  ])('%s', async (_, parts, message) => {
    const opening = tokenizerFromFolder(folder(concatenate(parts)));
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  test('but not in the least form', () => {
    expect(parseSentencePiece(concatenate([piece, bpe, plain]), 't')).toMatchObject({
      pieces: ['a'],
      dummyPrefix: true,
    });
  });

  test('when it is damaged, or it is still whole', () => {
    const random = seededUniform(5);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const damaged = bytes.slice(0, i % 2 ? bytes.length : Math.floor(random() * bytes.length));
      for (let n = 0; n < 4 && damaged.length > 0; n++) damaged[Math.floor(random() * damaged.length)] = 256 * random();
      try {
        parseSentencePiece(damaged, 't');
      } catch (error) {
        expect((error as Error).name).toBe('InputError');
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(150);
  });
});
