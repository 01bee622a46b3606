/** Tokenizers against an independent SentencePiece algorithm, and the two formats against each other. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { memorySource } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createTokenizer,
  memoryFolder,
  readGgufHeader,
  type Tokenizer,
  tokenizerFilesFromGguf,
  tokenizerFromFolder,
  tokenizerFromGguf,
} from '../src/formats/index';
import { openModel, openTokenizer } from '../src/node';
import { encodeGgufFile, type GgufField, sentencePieceMetadata } from './fixtures';

const models = process.env.CROSSGATE_MODELS;
const stories = models ? join(models, 'stories260K') : undefined;
const missing = stories && existsSync(stories) ? undefined : 'CROSSGATE_MODELS does not lead to stories260K';

interface Vocabulary {
  pieces: readonly string[];
  scores: readonly number[];
  types: readonly number[];
}

/**
 * SentencePiece's BPE as its paper states it, by brute force: of all adjacent pairs whose concatenation is a piece,
 * merge the one of the highest score, the leftmost of equals; in the end, spell unknown characters in bytes.
 */
function referenceEncode({ pieces, scores, types }: Vocabulary, text: string, dummyPrefix: boolean): number[] {
  const normal = new Map(pieces.flatMap((piece, id) => (types[id] === 1 ? [[piece, id] as const] : [])));
  const byteIds = new Map(pieces.flatMap((piece, id) => (types[id] === 6 ? [[piece, id] as const] : [])));
  const symbols = Array.from((dummyPrefix ? ' ' : '') + text, (c) => (c === ' ' ? '▁' : c));
  if (text === '') return [];
  for (;;) {
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const id = normal.get(symbols[i]! + symbols[i + 1]!);
      if (id !== undefined && scores[id]! > bestScore) {
        best = i;
        bestScore = scores[id]!;
      }
    }
    if (best < 0) break;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
  return symbols.flatMap((symbol) => {
    const id = normal.get(symbol);
    if (id !== undefined) return [id];
    return [...new TextEncoder().encode(symbol)].map((byte) => {
      return byteIds.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)!;
    });
  });
}

/** Varied strings: words, scripts, emoji with joiners, newlines, runs of spaces, control and private characters. */
function variedTexts(count: number, seed: number): string[] {
  const word = fc.constantFrom(
    'Once',
    'upon',
    'a',
    'time',
    'Lily',
    "don't",
    'the',
    'little',
    'girl',
    'happy',
    'Yes',
    'No',
    '#Answer:',
  );
  const space = fc.constantFrom(' ', ' ', ' ', '  ', '     ', '\n', '\n\n', '\t', '\r\n', '\u00a0', '');
  const odd = fc.constantFrom(
    'é',
    'e\u0301',
    'ß',
    '日本語',
    'Привет',
    'שלום',
    '😀',
    '👩‍👩‍👧',
    '🇩🇪',
    '▁',
    '\ufeff',
    '\u200b',
    '"',
    '1,234.50',
    '(1999)',
  );
  const sentence = fc
    .array(fc.tuple(fc.oneof({ weight: 5, arbitrary: word }, { weight: 2, arbitrary: odd }), space), { maxLength: 20 })
    .map((parts) => parts.flat().join(''));
  const any = fc.string({ unit: 'binary', maxLength: 30 });
  const grapheme = fc.string({ unit: 'grapheme', maxLength: 30 });
  return fc.sample(fc.oneof({ weight: 4, arbitrary: sentence }, any, grapheme), { numRuns: count, seed });
}

const fixed = [
  '',
  ' ',
  '  ',
  'a',
  '▁',
  'Hello',
  ' Hello',
  'Hello ',
  '\n',
  'x'.repeat(2000),
  ' '.repeat(300),
  '"Toy Story (1995)", "Heat"',
];
const controls = /<s>|<\/s>|<unk>/;

async function fromMetadata(metadata: Record<string, GgufField>): Promise<Tokenizer> {
  const header = await readGgufHeader(memorySource('test.gguf', encodeGgufFile(metadata, [])));
  return tokenizerFromGguf(header.metadata, 'test.gguf');
}

/** The tokenizer of a GGUF file, written as a folder and read again. */
async function fromWrittenFiles(metadata: Record<string, GgufField>, change: (config: object) => object = (c) => c) {
  const header = await readGgufHeader(memorySource('test.gguf', encodeGgufFile(metadata, [])));
  const files = tokenizerFilesFromGguf(header.metadata, 'test.gguf');
  const name = 'tokenizer_config.json';
  files.set(name, JSON.stringify(change(JSON.parse(files.get(name)!))));
  const bytes = [...files].map(([file, text]) => [file, new TextEncoder().encode(text)] as const);
  return tokenizerFromFolder(memoryFolder('written', new Map(bytes)));
}

/** Fails unless two tokenizers are the same for these texts. */
function expectSame(actual: Tokenizer, expected: Tokenizer, texts: readonly string[]): void {
  const facts = ({ vocabSize, bosTokenId, eosTokenIds, addsBos }: Tokenizer) => [
    ...[vocabSize, bosTokenId, eosTokenIds, addsBos],
  ];
  expect(facts(actual)).toEqual(facts(expected));
  const all = Array.from({ length: expected.vocabSize }, (_, id) => id);
  expect(actual.pieces(all)).toEqual(expected.pieces(all));
  for (const text of texts) {
    for (const dummyPrefix of [true, false]) {
      const ids = expected.encode(text, { dummyPrefix, bos: true });
      expect(actual.encode(text, { dummyPrefix, bos: true }), JSON.stringify(text)).toEqual(ids);
      expect(actual.decode(ids, { dummyPrefix })).toBe(expected.decode(ids, { dummyPrefix }));
    }
  }
}

describe('SentencePiece vocabulary of overlapping pieces with tied scores', () => {
  const metadata = sentencePieceMetadata(420);
  const values = (key: string) => (metadata[key] as unknown as { value: readonly never[] }).value;
  const vocabulary = {
    pieces: values('tokenizer.ggml.tokens') as readonly string[],
    scores: values('tokenizer.ggml.scores') as readonly number[],
    types: values('tokenizer.ggml.token_type') as readonly number[],
  };

  test('equals the reference on strings of its letters, with and without the leading space', async () => {
    const tokenizer = await fromMetadata(metadata);
    const text = fc.string({ unit: fc.constantFrom(' ', 'a', 'a', 'b', 'c', 'é', '😀', 'z'), maxLength: 40 });
    fc.assert(
      fc.property(text, fc.boolean(), (value, dummyPrefix) => {
        expect(tokenizer.encode(value, { dummyPrefix })).toEqual(referenceEncode(vocabulary, value, dummyPrefix));
      }),
      { numRuns: 1500, seed: 7 },
    );
  });

  test('decodes what it encoded', async () => {
    const tokenizer = await fromMetadata(metadata);
    for (const text of [...fixed, ...variedTexts(300, 11)]) {
      if (controls.test(text) || text.includes('▁') || /\p{Surrogate}/u.test(text)) continue;
      for (const dummyPrefix of [true, false]) {
        const ids = tokenizer.encode(text, { dummyPrefix });
        expect(tokenizer.decode(ids, { dummyPrefix })).toBe(text);
      }
    }
  });

  test('is the same when written as a folder and read again', async () => {
    const marked = {
      ...metadata,
      'tokenizer.ggml.bos_token_id': { type: 'u32', value: 1 },
      'tokenizer.ggml.eos_token_id': { type: 'u32', value: 2 },
    } satisfies Record<string, GgufField>;
    const letters = fc.string({ unit: fc.constantFrom(' ', 'a', 'a', 'b', 'c', 'é', '😀', 'z'), maxLength: 40 });
    const texts = [...fixed, '<s>a</s>', ...variedTexts(200, 5), ...fc.sample(letters, { numRuns: 1000, seed: 9 })];
    expectSame(await fromWrittenFiles(marked), await fromMetadata(marked), texts);
    const spaceless: GgufField = { type: 'bool', value: false };
    for (const key of ['add_space_prefix', 'add_bos_token']) {
      const other = { ...marked, [`tokenizer.ggml.${key}`]: spaceless };
      expectSame(await fromWrittenFiles(other), await fromMetadata(other), texts.slice(0, 100));
    }
  });

  test('refuses notes of equal merges that do not fit tokenizer.json', async () => {
    const cut = (config: object) => ({ ...config, crossgate_merge_ranks: [1, 2] });
    await expect(fromWrittenFiles(metadata, cut)).rejects.toThrow(/crossgate_merge_ranks must hold \d+ whole numbers/);
  });

  test('puts the beginning token first only when asked', async () => {
    const tokenizer = await fromMetadata({ ...metadata, 'tokenizer.ggml.bos_token_id': { type: 'u32', value: 1 } });
    expect(tokenizer.addsBos).toBe(true);
    expect(tokenizer.encode('a', { bos: true })).toEqual([1, ...tokenizer.encode('a')]);
    expect(tokenizer.encode('a')).not.toContain(1);
    expect(tokenizer.decode([1, ...tokenizer.encode('ab c')], { skipSpecial: true })).toBe('ab c');
  });

  test("begins and ends with SentencePiece's usual tokens where the file names none", async () => {
    const named = await fromMetadata({ ...metadata, 'tokenizer.ggml.bos_token_id': { type: 'u32', value: 1 } });
    const { 'tokenizer.ggml.bos_token_id': _, 'tokenizer.ggml.eos_token_id': __, ...rest } = metadata;
    const unnamed = await fromMetadata(rest);
    expect([unnamed.bosTokenId, unnamed.eosTokenIds, unnamed.addsBos]).toEqual([1, [2], true]);
    expect(unnamed.encode('a', { bos: true })).toEqual(named.encode('a', { bos: true }));
    const types = rest['tokenizer.ggml.token_type'];
    if (types?.type !== 'array') throw new Error('the fixture has a list of types');
    const text: GgufField = { ...types, value: types.value.map((type) => (type === 3 ? 1 : type)) };
    const plain = await fromMetadata({ ...rest, 'tokenizer.ggml.token_type': text });
    expect([plain.bosTokenId, plain.eosTokenIds, plain.addsBos]).toEqual([null, [], false]);
  });

  test('refuses ids outside the vocabulary, by number', async () => {
    const tokenizer = await fromMetadata(metadata);
    expect(tokenizer.vocabSize).toBe(420);
    for (const id of [420, -1, 1.5]) {
      expect(() => tokenizer.decode([id])).toThrow(expect.objectContaining({ name: 'InputError' }));
      expect(() => tokenizer.pieces([id])).toThrow(String(id));
    }
  });

  test('refuses scores that do not match the tokens', async () => {
    const scores: GgufField = { type: 'array', of: 'f32', value: [1, 2] };
    await expect(fromMetadata({ ...metadata, 'tokenizer.ggml.scores': scores })).rejects.toThrow(
      /scores must hold 420/,
    );
    await expect(fromMetadata({})).rejects.toThrow(/carries no tokenizer/);
  });
});

describe.skipIf(missing)(`stories260K${missing ? ` (${missing})` : ''}`, () => {
  const gguf = join(stories ?? '', 'stories260K.gguf');
  const folder = join(stories ?? '', 'hf');

  async function storiesVocabulary(): Promise<Vocabulary> {
    const file = await openFile(gguf);
    const { metadata } = await readGgufHeader(file);
    await file.close();
    const list = (key: string) => Array.from(metadata.get(`tokenizer.ggml.${key}`) as unknown as ArrayLike<never>);
    return { pieces: list('tokens'), scores: list('scores'), types: list('token_type') };
  }

  test('both formats equal the reference on 1,000 varied strings', async () => {
    const vocabulary = await storiesVocabulary();
    const both = [await openTokenizer(gguf), await openTokenizer(folder)];
    for (const text of [...fixed, ...variedTexts(1000, 3)]) {
      if (controls.test(text)) continue;
      for (const dummyPrefix of [true, false]) {
        const expected = referenceEncode(vocabulary, text, dummyPrefix);
        for (const tokenizer of both)
          expect(tokenizer.encode(text, { dummyPrefix }), JSON.stringify(text)).toEqual(expected);
      }
    }
  });

  test('both formats agree on special tokens, pieces and decoded text', async () => {
    const a = await openTokenizer(gguf);
    const b = await openTokenizer(folder);
    expect([a.vocabSize, a.bosTokenId, a.eosTokenIds, a.addsBos]).toEqual([512, 1, [2], true]);
    expect([b.vocabSize, b.bosTokenId, b.eosTokenIds, b.addsBos]).toEqual([512, 1, [2], true]);
    const all = Array.from({ length: 512 }, (_, id) => id);
    expect(a.pieces(all)).toEqual(b.pieces(all));
    for (const text of variedTexts(200, 5)) {
      const ids = a.encode(text, { bos: true });
      expect(b.encode(text, { bos: true })).toEqual(ids);
      for (const options of [{}, { skipSpecial: true }, { dummyPrefix: false }]) {
        expect(a.decode(ids, options)).toBe(b.decode(ids, options));
      }
    }
    expect(a.pieces(a.encode('Once upon a time'))).toEqual(['▁Once', '▁upon', '▁a', '▁time']);
    expect(a.tokenToId('▁Once')).toBe(a.encode('Once')[0]);
    expect(a.tokenToId('no such piece')).toBeUndefined();
  });

  test('a model brings its tokenizer', async () => {
    for (const path of [gguf, folder]) {
      const model = await openModel(path);
      expect((await model.tokenizer()).vocabSize).toBe(model.config.vocabSize);
      await model.close();
    }
  });
});

describe('byte-level BPE from GGUF metadata', () => {
  const pieces = [
    '!',
    '"',
    'H',
    'e',
    'l',
    'o',
    'Ġ',
    'w',
    'r',
    'd',
    '1',
    '2',
    'Ã',
    '©',
    'll',
    'He',
    'Ġw',
    '12',
    '<|end|>',
    'Ċ',
    'ĊĊ',
    'Ù',
    '£',
  ];
  const metadata = (pre: string): Record<string, GgufField> => ({
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: pre },
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: pieces },
    'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: pieces.map((p) => (p === '<|end|>' ? 3 : 1)) },
    'tokenizer.ggml.merges': { type: 'array', of: 'string', value: ['l l', 'H e', 'Ġ w', '1 2', 'Ċ Ċ'] },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: 18 },
  });

  test('splits, merges and decodes', async () => {
    const tokenizer = await fromMetadata(metadata('gpt-2'));
    const ids = tokenizer.encode('Hello world12é<|end|>', { control: true });
    expect(tokenizer.pieces(ids)).toEqual(['He', 'll', 'o', 'Ġw', 'o', 'r', 'l', 'd', '12', 'Ã', '©', '<|end|>']);
    expect(tokenizer.decode(ids)).toBe('Hello world12é<|end|>');
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('Hello world12é');
    expect([tokenizer.bosTokenId, tokenizer.eosTokenIds, tokenizer.addsBos]).toEqual([null, [18], false]);
    // A model without a beginning token starts with the text itself.
    expect(tokenizer.encode('He', { bos: true })).toEqual([15]);
  });

  test('SmolLM keeps digits apart', async () => {
    const tokenizer = await fromMetadata(metadata('smollm'));
    expect(tokenizer.pieces(tokenizer.encode('12'))).toEqual(['1', '2']);
    // Digits of every script end the run of line ends before them, which then stays whole.
    expect(tokenizer.pieces(tokenizer.encode('\n\n٣'))).toEqual(['ĊĊ', 'Ù', '£']);
  });

  test.each(['gpt-2', 'smollm', 'llama-bpe', 'qwen2'])('%s is the same when written as a folder', async (pre) => {
    const marked: Record<string, GgufField> = {
      ...metadata(pre),
      'tokenizer.ggml.bos_token_id': { type: 'u32', value: 18 },
    };
    const unit = fc.constantFrom('H', 'e', 'l', 'o', ' ', 'w', 'r', 'd', '1', '2', 'é', '\n', '٣', '<|end|>');
    const texts = fc.sample(fc.string({ unit, maxLength: 30 }), { numRuns: 200, seed: 3 });
    for (const file of [metadata(pre), marked]) {
      expectSame(await fromWrittenFiles(file), await fromMetadata(file), ['', 'Hello world12é<|end|>', ...texts]);
    }
  });

  // What llama.cpp reads as one: the same splits, whether merges are passed over, and the beginning.
  test.each([
    ['llama3', 'llama-bpe', 'llama-bpe'],
    ['falcon3', 'llama-bpe', 'llama-bpe'],
    ['lfm2', 'llama-bpe', 'llama-bpe'],
    ['deepseek-r1-qwen', 'qwen2', 'qwen2'],
    ['megrez', 'qwen2', 'qwen2'],
    ['smaug-bpe', 'dbrx', 'llama-bpe'],
    ['glm4', 'dbrx', 'llama-bpe'],
    ['stablelm2', 'grok-2', 'qwen2'],
    ['starcoder', 'smollm', 'smollm'],
    ['command-r', 'smollm', 'smollm'],
    ['phi-2', 'gpt-2', 'gpt-2'],
    ['olmo', 'gpt-2', 'gpt-2'],
  ])('%s is another name of %s, which splits as %s', async (pre, known, splits) => {
    const bos: GgufField = { type: 'u32', value: 18 };
    const open = (name: string) => fromMetadata({ ...metadata(name), 'tokenizer.ggml.bos_token_id': bos });
    const [other, one, like] = await Promise.all([pre, known, splits].map(open));
    const texts = ['Hello world12', 'e\u0301 1212 \n\n', "he'll"];
    expectSame(other!, one!, texts);
    expect(other!.addsBos).toBe(known === 'llama-bpe');
    for (const text of ['Hello world12', ' 1212 \n\n', "he'll"])
      expect(other!.encode(text)).toEqual(like!.encode(text));
  });

  test('refuses an unknown way of splitting by name', async () => {
    await expect(fromMetadata(metadata('tekken'))).rejects.toThrow(/"tekken" is not supported; supported: gpt-2/);
    await expect(fromMetadata(metadata('default'))).rejects.toThrow(/"default" is not supported; convert the model/);
  });
});

describe('tokenizer.json', () => {
  const model = { type: 'BPE', vocab: { '▁': 0, a: 1, '▁a': 2 }, merges: ['▁ a'], unk_token: null };
  const base = { normalizer: null, post_processor: null, decoder: { type: 'Metaspace' }, added_tokens: [] };
  const pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' };

  test('a Metaspace pre-tokenizer adds no space to a later segment', () => {
    const tokenizer = createTokenizer({ source: 't', json: { ...base, model, pre_tokenizer }, config: {} });
    expect(tokenizer.encode('a')).toEqual([2]);
    expect(tokenizer.encode('a', { dummyPrefix: false })).toEqual([1]);
    expect(tokenizer.decode([2])).toBe('a');
    expect(tokenizer.decode([2], { dummyPrefix: false })).toBe(' a');
    expect(tokenizer.decode([])).toBe('');
  });

  test('a Metaspace that adds nothing takes nothing off', () => {
    const never = { ...pre_tokenizer, prepend_scheme: 'never' };
    const json = { ...base, model, pre_tokenizer: never, decoder: never };
    const tokenizer = createTokenizer({ source: 't', json, config: {} });
    expect(tokenizer.encode(' a')).toEqual([2]);
    expect(tokenizer.decode([2])).toBe(' a');
  });

  test('an added token has the id that the vocabulary gives it, which is said', () => {
    const added_tokens = [
      { id: 0, content: '▁a', special: true },
      { id: 3, content: '<new>', special: true },
    ];
    const tokenizer = createTokenizer({
      source: 't',
      json: { ...base, model, pre_tokenizer, added_tokens },
      config: {},
    });
    expect(tokenizer.encode('▁a<new>', { control: true })).toEqual([2, 3]);
    expect(tokenizer.pieces([0])).toEqual(['▁']);
    expect(tokenizer.warnings).toEqual(['t: "added_tokens" gives "▁a" the id 0, "model.vocab" 2, which counts']);
  });

  test.each([
    ['both ends', { strip_left: true, strip_right: true }, 'a\ufeff'],
    ['its beginning', { strip_left: true, strip_right: false }, 'a\ufeff\u0085 '],
    ['its end', { strip_left: false, strip_right: true }, ' \u0085a\ufeff'],
    ['nothing', { strip_left: false, strip_right: false }, ' \u0085a\ufeff\u0085 '],
  ])('white space is stripped as Unicode has it, from %s of a text', (_, ends, expected) => {
    const letters = { ' ': 0, '\u0085': 1, a: 2, '\ufeff': 3 };
    const json = { ...base, decoder: null, normalizer: { type: 'Strip', ...ends } };
    const described = { ...json, pre_tokenizer: null, model: { type: 'BPE', vocab: letters, merges: [] } };
    const tokenizer = createTokenizer({ source: 't', json: described, config: {} });
    expect(tokenizer.pieces(tokenizer.encode(' \u0085a\ufeff\u0085 ')).join('')).toBe(expected);
  });

  test('the pre-tokenizer of BERT splits at punctuation, and drops white space alone', () => {
    const vocab = { a: 0, ',': 1, '\ufeff': 2, 'a,': 3, 'a\ufeff': 4 };
    const bert = { ...base, decoder: null, pre_tokenizer: { type: 'BertPreTokenizer' } };
    const merges = ['a ,', 'a \ufeff'];
    const tokenizer = createTokenizer({
      source: 't',
      json: { ...bert, model: { type: 'BPE', vocab, merges } },
      config: {},
    });
    expect(tokenizer.encode('a, a\ufeff\u0085a')).toEqual([0, 1, 4, 0]);
  });

  test.each([
    [{}, /"model" is missing/],
    [{ model: { type: 'WordPiece', vocab: {} } }, /"WordPiece" is not supported/],
    [{ model: { type: 'BPE', vocab: { a: -1 }, merges: [] } }, /the id of "a" is -1/],
    [{ model: { type: 'BPE', vocab: {}, merges: [3] } }, /"merges" must hold pairs/],
    [{ ...base, model, pre_tokenizer, added_tokens: [{ id: 1 }] }, /"added_tokens" holds/],
    [{ ...base, model, pre_tokenizer: { type: 'Nonsense' } }, /cannot be built/],
    [
      {
        ...base,
        model,
        normalizer: { type: 'Sequence', normalizers: [{ type: 'Precompiled', precompiled_charsmap: 'AA==' }] },
      },
      /the normalizer "Precompiled" replaces characters by a table of its own/,
    ],
    [
      { ...base, model, added_tokens: [{ id: 9, content: '<far>', special: true }] },
      /gives "<far>" the id 9, but Hugging Face's library gives it 3, the next that is free/,
    ],
  ])('refuses %j', (json, message) => {
    expect(() => createTokenizer({ source: 't.json', json, config: {} })).toThrow(message);
    expect(() => createTokenizer({ source: 't.json', json, config: {} })).toThrow(
      expect.objectContaining({ name: 'InputError' }),
    );
  });
});

describe('a text that spells control tokens', () => {
  const texts = ['<s>', 'a</s>b', '<unk>', 'x <pad> y', '<|im_start|>user', '[INST] a [/INST]', '<0x41>', '</s>'];

  test('is text in a GGUF file of SentencePiece, and in the folder that is written of it', async () => {
    const metadata = sentencePieceMetadata(420);
    const control = new Set([0, 1, 2]);
    for (const tokenizer of [await fromMetadata(metadata), await fromWrittenFiles(metadata)]) {
      for (const text of texts) {
        const ids = tokenizer.encode(text);
        expect(
          ids.some((id) => control.has(id)),
          text,
        ).toBe(false);
        expect(tokenizer.decode(ids)).toBe(text);
      }
      expect(tokenizer.encode('a<s>b', { control: true })).toContain(1);
      // The byte of "A", not what a text spells.
      expect(tokenizer.encode('<0x41>', { control: true })).not.toContain(tokenizer.tokenToId('<0x41>'));
      expect(tokenizer.controlTokensIn('a<s>b</s>')).toEqual(['<s>', '</s>']);
      expect(tokenizer.controlTokensIn('a<b>')).toEqual([]);
    }
  });

  test('is read at the places that are ours alone', async () => {
    const tokenizer = await fromMetadata(sentencePieceMetadata(420));
    const template = 'a<s>b<s>';
    const ids = tokenizer.encode(template, { control: (start) => start === 1 });
    expect(ids.filter((id) => id === 1)).toHaveLength(1);
    expect(tokenizer.decode(ids)).toBe('a<s> b<s>');
  });

  // The merges give each of the tokens that are added beside them.
  const letters = Object.fromEntries([...'<s>/im[INST]01 '].map((letter, id) => [letter, id]));
  const vocab = { ...letters, 's>': 20, '<s>': 21, '[I': 22, NS: 23, NST: 24, '[INST': 25, '[INST]': 26 };
  const merges = [
    ...[
      ['s', '>'],
      ['<', 's>'],
      ['[', 'I'],
      ['N', 'S'],
      ['NS', 'T'],
    ],
    ...[
      ['[I', 'NST'],
      ['[INST', ']'],
    ],
  ];
  const token = (content: string, special: boolean) => ({ id: vocab[content as keyof typeof vocab], content, special });

  test.each([true, false])('is text where merges make a token of it (special: %s)', (special) => {
    const model = { type: 'BPE', vocab, merges, ignore_merges: true };
    const json = { pre_tokenizer: null, normalizer: null, post_processor: null, decoder: { type: 'Fuse' }, model };
    const added_tokens = [token('<s>', special), token('[INST]', special)];
    const tokenizer = createTokenizer({ source: 't', json: { ...json, added_tokens }, config: {} });
    expect(tokenizer.pieces(tokenizer.encode('<s>[INST]'))).toEqual(['<', 's>', '[INST', ']']);
    expect(tokenizer.pieces(tokenizer.encode('<s>'))).toEqual(['<', 's>']);
    expect(tokenizer.pieces(tokenizer.encode('<s>[INST]', { control: true }))).toEqual(['<s>', '[INST]']);
  });
});

describe('merges', () => {
  const json = (merges: unknown[], more: object = {}) => ({
    ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' }, added_tokens: [] },
    model: { type: 'BPE', vocab: { a: 0, b: 1, c: 2, ab: 3, abc: 4, '<u>': 5 }, merges, ...more },
  });
  const open = (merges: unknown[], more?: object) =>
    createTokenizer({ source: 't.json', json: json(merges, more), config: {} });

  test.each([
    [['a b', ['ab', 'c']]],
    [[['a', 'b'], 'ab c']],
    [['a b', 'ab c']],
    [
      [
        ['a', 'b'],
        ['ab', 'c'],
      ],
    ],
  ])('are pairs, strings or both: %j', (merges) => expect(open(merges).encode('abc')).toEqual([4]));

  test.each([
    [['a b c'], {}, /"merges" must hold pairs of pieces, but holds "a b c"/],
    [['ab'], {}, /but holds "ab"/],
    [[['a', 3]], {}, /but holds \["a",3\]/],
    [['b a'], {}, /"merges" joins "b" and "a", but the vocabulary has no "ba"/],
    [['a b'], { dropout: 0.1 }, /"model\.dropout" is 0\.1/],
    [['a b'], { continuing_subword_prefix: '##' }, /continuing_subword_prefix" is "##"/],
    [['a b'], { unk_token: '<unk>' }, /"model\.unk_token" is "<unk>", which is not in the vocabulary/],
  ])('%j with %j are refused', (merges, more, message) => {
    expect(() => open(merges, more)).toThrow(message);
    expect(() => open(merges, more)).toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  test.each([
    [{ type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithNext', invert: false }],
    [{ type: 'Split', pattern: { String: ' ' }, behavior: 'Isolated', invert: true }],
    [{ type: 'Punctuation', behavior: 'MergedWithPrevious' }],
  ])('behind %j are refused, which the library would misread', (pre_tokenizer) => {
    const split = { ...json(['a b']), pre_tokenizer };
    expect(() => createTokenizer({ source: 't', json: split, config: {} })).toThrow(
      /the pre-tokenizer .* not supported/,
    );
  });
});

test('an added token without a row in the embeddings is refused where it is used', () => {
  const added = [{ id: 3, content: '<pad>', special: true }];
  const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
  const json = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: added,
    model,
  };
  const tokenizer = createTokenizer({ source: 't', json, config: { bos_token: '<pad>' }, rows: 3 });
  expect(tokenizer.vocabSize).toBe(4);
  expect(tokenizer.encode('ab')).toEqual([2]);
  expect(() => tokenizer.encode('a<pad>', { control: true })).toThrow(
    /no row for the token "<pad>" \(3\), only 3 rows/,
  );
  expect(() => tokenizer.encode('a', { bos: true })).toThrow(/no row for the token "<pad>"/);
  expect([0, 3, 4].map((id) => tokenizer.has(id))).toEqual([true, true, false]);
  expect(() => createTokenizer({ source: 't', json, config: {}, rows: 2 })).toThrow(
    /has 3 tokens, but the model only 2/,
  );
});
