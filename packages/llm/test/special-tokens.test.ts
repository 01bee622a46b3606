/** What begins and ends a text: against Hugging Face's transformers, and where the files of a model contradict one another. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { memoryFolder, type Tokenizer, tokenizerFromFolder } from '../src/formats/index';

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function open(files: Readonly<Record<string, unknown>>): Promise<Tokenizer> {
  const bytes = Object.entries(files).map(([name, content]) => {
    return [name, content instanceof Uint8Array ? content : text(content)] as const;
  });
  return tokenizerFromFolder(memoryFolder('m', new Map(bytes)));
}

type Begins = readonly number[] | string;
type Case = readonly [
  source: string,
  kind: string,
  add: boolean | null | 'absent',
  post: string,
  bos: string | null,
  begins: Begins,
];
interface Reference {
  readonly posts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly sources: Readonly<Record<string, string>>;
  readonly cases: readonly Case[];
}

describe('the beginning of a text', () => {
  /** Made by reference/beginning-of-text.py. */
  const read = (version: string) =>
    JSON.parse(fixture(`beginning-of-text/transformers-${version}.json`).toString()) as Reference;
  const [four, five] = [read('4.57.6'), read('5.23.0')];
  const cases = four.cases.map((known, index) => ({ known, five: five.cases[index]! }));

  const beginning = async ([source, kind, add, post, bos]: Case) => {
    const files: Record<string, unknown> = {
      'tokenizer_config.json': {
        ...(kind !== 'absent' && { tokenizer_class: kind }),
        eos_token: '</s>',
        ...(add !== 'absent' && { add_bos_token: add }),
        ...(bos !== 'absent' && { bos_token: bos }),
      },
    };
    files['config.json'] = { model_type: 'llama' };
    const path = four.sources[source]!;
    if (source === 'model') files['tokenizer.model'] = new Uint8Array(fixture(path));
    else
      files['tokenizer.json'] = { ...JSON.parse(fixture(path).toString()), post_processor: four.posts[source]![post] };
    const tokenizer = await open(files);
    const whole = tokenizer.encode('a', { bos: tokenizer.addsBos });
    const [bare, pieces] = [tokenizer.encode('a'), tokenizer.pieces(whole)];
    expect(whole.slice(whole.length - bare.length)).toEqual(bare);
    return pieces.slice(0, pieces.length - bare.length);
  };
  const spelled = async (source: string, ids: readonly number[]) => {
    const path = four.sources[source]!;
    const name = source === 'model' ? 'tokenizer.model' : 'tokenizer.json';
    return (await open({ [name]: new Uint8Array(fixture(path)) })).pieces(ids);
  };

  test.each(['pieces', 'bytes', 'model'])('is what transformers puts there: %s', async (source) => {
    let compared = 0;
    for (const { known, five } of cases.filter(({ known }) => known[0] === source)) {
      const [, kind, add, post, bos, begins] = known;
      const place = JSON.stringify(known);
      expect(five.slice(0, 5), place).toEqual(known.slice(0, 5));
      const ours = await beginning(known);
      if (typeof begins !== 'string' && bos !== '' && bos !== '<nope>') {
        expect(ours, place).toEqual(await spelled(source, begins));
        compared++;
      } else if (kind.includes('Llama') || kind === 'absent') {
        // Version 4 adds a token that the model does not have, or gives up: what the files name otherwise is taken.
        expect(ours, place).toEqual(!add || bos === null ? [] : ['<s>']);
      } else {
        expect(ours, place).toEqual(post === 'template' || post === 'both' ? ['<s>'] : []);
      }
    }
    expect(compared).toBeGreaterThan(source === 'model' ? 15 : 100);
  });

  test('version 5 differs where a class of LLaMA says another thing than the post-processor, or says nothing', () => {
    const differ = cases.filter(({ known, five }) => JSON.stringify(known[5]) !== JSON.stringify(five[5]));
    expect(differ.length).toBeGreaterThan(50);
    const ids = (begins: Begins) => typeof begins !== 'string' && begins.length;
    for (const {
      known: [source, kind, add, post, bos, begins],
      five,
    } of differ) {
      const place = JSON.stringify([source, kind, add, post, bos]);
      expect(kind, place).toMatch(/Llama|absent/);
      if (kind.startsWith('Code') || bos === '' || bos === '<nope>' || bos === null) continue;
      expect(ids(begins), place).toBe(add ? 1 : 0);
      expect(ids(five[5]), place).toBe(source === 'model' ? 0 : post === 'template' || post === 'both' ? 1 : 0);
    }
  });
});

test.each([
  ['llama', 1],
  ['mistral', 1],
  ['LLaMA', 1],
  ['qwen2', 0],
  ['qwen3', 0],
])('a folder without a class has that of its architecture: %s', async (model_type, count) => {
  const json = { ...JSON.parse(fixture('tokenizers/llama-2/tokenizer.json').toString()), post_processor: null };
  const tokenizer = await open({ 'tokenizer.json': json, 'config.json': { model_type } });
  expect(tokenizer.addsBos).toBe(count === 1);
});

const vocab = { '<unk>': 0, '<s>': 1, '</s>': 2, '<pad>': 3, '<|end|>': 4, a: 5, b: 6 };
const added = Object.entries(vocab)
  .filter(([content]) => content.startsWith('<'))
  .map(([content, id]) => ({ id, content, special: true, normalized: false }));
const json = {
  ...{ normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' } },
  ...{ added_tokens: added, model: { type: 'BPE', vocab, merges: [], unk_token: '<unk>' } },
};
const llama = { tokenizer_class: 'LlamaTokenizer', bos_token: '<s>', eos_token: '</s>' };
const model = (ids: object) => open({ 'tokenizer.json': json, 'tokenizer_config.json': llama, 'config.json': ids });

describe('the end of a text', () => {
  test.each<[string, object, number[], RegExp[]]>([
    ['as the tokenizer says', { bos_token_id: 1, eos_token_id: 2 }, [2], []],
    ['with the ends of turns beside it', { eos_token_id: [2, 4] }, [2, 4], []],
    [
      'not with what early conversions say',
      { bos_token_id: 0, eos_token_id: 1, pad_token_id: -1 },
      [2],
      [
        /bos_token_id 0 \("<unk>"\) of config\.json is passed over: texts begin with 1 \("<s>"\)/,
        /eos_token_id 1 \("<s>"\) of config\.json is passed over: texts end with 2 \("<\/s>"\)/,
      ],
    ],
    ['not with the unknown token', { eos_token_id: 0 }, [2], [/eos_token_id 0 \("<unk>"\)/]],
    ['not with a piece of text', { eos_token_id: [5] }, [2], [/eos_token_id 5 \("a"\)/]],
    ['not with what is no token', { eos_token_id: [-1, 7] }, [2], [/-1 \(no token\)/, /7 \(no token\)/]],
  ])('%s', async (_, ids, ends, warnings) => {
    const tokenizer = await model(ids);
    expect(tokenizer.eosTokenIds).toEqual(ends);
    expect(tokenizer.warnings ?? []).toHaveLength(warnings.length);
    for (const [index, warning] of warnings.entries()) expect(tokenizer.warnings![index]).toMatch(warning);
  });

  test('generation_config.json is held to the same', async () => {
    const tokenizer = await open({
      ...{ 'tokenizer.json': json, 'tokenizer_config.json': llama },
      'generation_config.json': { eos_token_id: [2, 4, 1] },
    });
    expect(tokenizer.eosTokenIds).toEqual([2, 4]);
    expect(tokenizer.warnings).toEqual([expect.stringMatching(/eos_token_id 1 .* of generation_config\.json/)]);
  });

  test('a tokenizer that names none ends where config.json says, but not at its beginning', async () => {
    const silent = { ...llama, eos_token: null };
    const ends = async (ids: object) =>
      (await open({ 'tokenizer.json': json, 'tokenizer_config.json': silent, 'config.json': ids })).eosTokenIds;
    expect(await ends({ eos_token_id: 4 })).toEqual([4]);
    expect(await ends({ eos_token_id: 1 })).toEqual([]);
  });

  test('one token may begin and end a text', async () => {
    const both = { tokenizer_class: 'GPT2Tokenizer', bos_token: '<|end|>', eos_token: '<|end|>' };
    const ids = { bos_token_id: 4, eos_token_id: 4 };
    const tokenizer = await open({ 'tokenizer.json': json, 'tokenizer_config.json': both, 'config.json': ids });
    expect([tokenizer.bosTokenId, tokenizer.eosTokenIds, tokenizer.addsBos]).toEqual([4, [4], false]);
    expect(tokenizer.warnings).toBeUndefined();
  });
});

describe('names', () => {
  const named = (config: object, more: object = {}) =>
    open({ 'tokenizer.json': json, 'tokenizer_config.json': config, ...more });

  test('that are empty, as in the first LLaMA folders, are those of LLaMA', async () => {
    const first = { tokenizer_class: 'LLaMATokenizer', bos_token: '', eos_token: '', unk_token: '' };
    for (const files of [
      { 'tokenizer.json': json },
      { 'tokenizer.model': new Uint8Array(fixture('sentencepiece/tokenizer.model')) },
    ]) {
      const ids = { bos_token_id: 0, eos_token_id: 1 };
      const tokenizer = await open({ ...files, 'tokenizer_config.json': first, 'config.json': ids });
      expect([tokenizer.bosTokenId, tokenizer.addsBos, tokenizer.eosTokenIds]).toEqual([1, true, [2]]);
      expect(tokenizer.warnings).toHaveLength(2);
    }
  });

  test('that the vocabulary lacks are said', async () => {
    const tokenizer = await named({ ...llama, bos_token: '<|begin|>', eos_token: { content: '<|stop|>' } });
    expect([tokenizer.bosTokenId, tokenizer.eosTokenIds]).toEqual([1, [2]]);
    expect(tokenizer.warnings).toEqual([
      expect.stringMatching(/bos_token of tokenizer_config\.json is "<\|begin\|>", which the vocabulary lacks/),
      expect.stringMatching(/eos_token of tokenizer_config\.json is "<\|stop\|>"/),
    ]);
  });

  test('of special_tokens_map.json count in folders from before added_tokens_decoder', async () => {
    const map = { 'special_tokens_map.json': { eos_token: { content: '<|end|>' } } };
    expect((await named(llama, map)).eosTokenIds).toEqual([4]);
    expect((await named({ ...llama, added_tokens_decoder: { 2: {} } }, map)).eosTokenIds).toEqual([2]);
  });
});
