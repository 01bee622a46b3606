/**
 * The tokenizer in the metadata of a GGUF file, SentencePiece (`llama`) or byte-level BPE (`gpt2`): built, or as files.
 */
import { InputError, quoted } from '@crossgate/tensor';
import {
  createTokenizer,
  type JsonObject,
  type SpecialTokens,
  type Tokenizer,
  type TokenizerDescription,
} from '../tokenizer';
import type { GgufValue } from './gguf';
import { GgufStrings } from './gguf-strings';
import type { SentencePieceModel } from './sentencepiece';

/** Token types of GGUF, as SentencePiece numbers them. */
const typeNormal = 1;
const typeControl = 3;
const typeUserDefined = 4;

type Metadata = ReadonlyMap<string, GgufValue>;

interface Vocabulary {
  readonly source: string;
  readonly metadata: Metadata;
  readonly pieces: readonly string[];
  /** One per piece. */
  readonly types: readonly number[];
}

/**
 * Builds the tokenizer that a GGUF file carries.
 * @param source what to call the file in messages
 * @param rows of the model's embeddings, as {@link TokenizerDescription.rows}
 * @throws {InputError} when there is none, it is malformed, or of a kind that is not supported.
 */
export function tokenizerFromGguf(metadata: Metadata, source: string, rows?: number): Tokenizer {
  const { special, ...description } = describe(metadata, source);
  return createTokenizer({ ...description, special: () => special, ...(rows !== undefined && { rows }) });
}

/** What a file describes, and what begins and ends a text. */
interface Described extends Omit<TokenizerDescription, 'special' | 'rows'> {
  readonly special: SpecialTokens;
}

/** Key of tokenizer_config.json for {@link TokenizerDescription.mergeRanks}, which tokenizer.json has no place for. */
export const mergeRanksKey = 'crossgate_merge_ranks';

/**
 * The tokenizer of a GGUF file, as files of a Hugging Face folder: name → content. `tokenizerFromFolder` builds the
 * same tokenizer from them. Other programs ignore `crossgate_merge_ranks`, so there the order of the list decides
 * between equally good merges of SentencePiece.
 *
 * @param source name of the file in messages.
 * @throws {InputError} as {@link tokenizerFromGguf} does.
 */
export function tokenizerFilesFromGguf(metadata: Metadata, source: string): Map<string, string> {
  tokenizerFromGguf(metadata, source);
  const { json, special, mergeRanks } = describe(metadata, source);
  const { bosTokenId, eosTokenIds } = special;
  const addsBos = special.beginning.length > 0;
  const pieces = strings(metadata, 'tokens')!;
  const pieceOf = (id: number | null | undefined) => (typeof id === 'number' ? (pieces[id] ?? null) : null);
  const bos = pieceOf(bosTokenId);
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    add_bos_token: addsBos,
    bos_token: bos,
    eos_token: pieceOf(eosTokenIds[0]),
    unk_token: (json.model as JsonObject).unk_token,
    [mergeRanksKey]: mergeRanks,
  };
  const whole = { version: '1.0', truncation: null, padding: null, ...json };
  const post_processor = addsBos && bos !== null ? bosTemplate(bos, bosTokenId!) : null;
  return new Map([
    ['tokenizer.json', JSON.stringify({ ...whole, post_processor })],
    ['tokenizer_config.json', JSON.stringify(config)],
  ]);
}

/** The step of tokenizer.json that puts the beginning-of-text token before every text. */
function bosTemplate(bos: string, id: number) {
  const text = (name: string, type: number) => [
    { SpecialToken: { id: bos, type_id: type } },
    { Sequence: { id: name, type_id: type } },
  ];
  return {
    type: 'TemplateProcessing',
    single: text('A', 0),
    pair: [...text('A', 0), ...text('B', 1)],
    special_tokens: { [bos]: { id: bos, ids: [id], tokens: [bos] } },
  };
}

function describe(metadata: Metadata, source: string): Described {
  const fail = (problem: string): never => {
    throw new InputError(problem, { code: 'tokenizer.invalid', place: source });
  };
  const model = metadata.get('tokenizer.ggml.model');
  if (model === undefined) {
    return fail(
      'the file carries no tokenizer (tokenizer.ggml.model is missing); take one that does, or the model as a Hugging Face folder.',
    );
  }
  const pieces = strings(metadata, 'tokens');
  if (!pieces || pieces.length === 0) return fail('tokenizer.ggml.tokens must be a list of strings.');
  const types = metadata.get('tokenizer.ggml.token_type') ?? pieces.map(() => typeNormal);
  if (!isNumbers(types) || types.length !== pieces.length) {
    return fail(`tokenizer.ggml.token_type must hold ${pieces.length} numbers, one per token.`);
  }
  const vocabulary: Vocabulary = { source, metadata, pieces, types: Array.from(types) };
  if (model === 'llama') return describeSentencePiece(vocabulary);
  if (model === 'gpt2') return describeByteLevel(vocabulary);
  return fail(
    `tokenizer ${quoted(String(model))} is not supported; supported: llama (SentencePiece), gpt2 (byte-level BPE).`,
  );
}

function strings(metadata: Metadata, key: string): readonly string[] | undefined {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  return value instanceof GgufStrings ? value.values : undefined;
}

function isNumbers(value: unknown): value is ArrayLike<number> & Iterable<number> {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'number');
  return ArrayBuffer.isView(value) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);
}

/** What llama.cpp writes for a token that there is not. */
const noToken = 0xffffffff;

/** A token id of the metadata; undefined where the key is absent or, which is noted, names no token. */
function tokenId({ metadata, pieces }: Vocabulary, name: string, warnings: string[] = []): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const id = metadata.get(key);
  if (id === undefined || id === noToken || id === -1) return undefined;
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < pieces.length) return id;
  warnings.push(`${key} is ${String(id).slice(0, 40)}, outside the vocabulary of ${pieces.length}; it is passed over`);
  return undefined;
}

/** @param usual ids that count where the file does not give them, if they are those of control tokens */
function specialTokens(
  vocabulary: Vocabulary,
  addsBosByDefault: boolean,
  usual: Readonly<Record<string, number>> = {},
): SpecialTokens {
  const { metadata, types } = vocabulary;
  const warnings: string[] = [];
  const flag = metadata.get('tokenizer.ggml.add_bos_token');
  const idOf = (name: string) => {
    if (metadata.has(`tokenizer.ggml.${name}_token_id`)) return tokenId(vocabulary, name, warnings);
    const id = usual[name];
    return id !== undefined && types[id] === typeControl ? id : undefined;
  };
  const bos = idOf('bos');
  const adds = typeof flag === 'boolean' ? flag : addsBosByDefault;
  const ends = ['eos', 'eot', 'eom'].map(idOf);
  const eosTokenIds = [...new Set(ends.filter((id) => id !== undefined))];
  return { bosTokenId: bos ?? null, beginning: adds && bos !== undefined ? [bos] : [], eosTokenIds, warnings };
}

/** Tokens that are matched whole in the text, before anything else. */
function addedTokens({ pieces, types }: Pick<Vocabulary, 'pieces' | 'types'>, extra: readonly number[] = []) {
  return pieces.flatMap((content, id) => {
    const special = types[id] === typeControl || extra.includes(id);
    if ((!special && types[id] !== typeUserDefined) || content === '') return [];
    return [{ id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false }];
  });
}

/** Piece → id. Without a prototype, so that a piece may be called anything. */
function vocabularyRecord(pieces: readonly string[]): Record<string, number> {
  const record: Record<string, number> = Object.create(null);
  for (const [id, piece] of pieces.entries()) record[piece] = id;
  return record;
}

function describeSentencePiece(vocabulary: Vocabulary): Described {
  const { source, metadata, pieces, types } = vocabulary;
  const scores = metadata.get('tokenizer.ggml.scores');
  if (!isNumbers(scores) || scores.length !== pieces.length) {
    throw new InputError(`tokenizer.ggml.scores must hold ${pieces.length} numbers, one per token.`, {
      code: 'tokenizer.invalid',
      place: source,
    });
  }
  const unknown = tokenId(vocabulary, 'unknown') ?? types.indexOf(2);
  const dummyPrefix = metadata.get('tokenizer.ggml.add_space_prefix') !== false;
  return {
    source,
    config: {},
    // As in llama.cpp and in SentencePiece itself.
    special: specialTokens(vocabulary, true, { bos: 1, eos: 2 }),
    ...sentencePieceSteps({ pieces, types, scores: Array.from(scores), dummyPrefix, unknown }),
  };
}

/** The content of a tokenizer.json that works as SentencePiece does, and the ranks of its merges. */
export function sentencePieceSteps({
  pieces,
  types,
  scores,
  dummyPrefix,
  unknown,
}: Pick<SentencePieceModel, 'pieces' | 'types' | 'scores' | 'dummyPrefix' | 'unknown'>) {
  const { merges, ranks } = mergesFromScores(pieces, types, scores);
  const replaceSpace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const normalizer = dummyPrefix
    ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replaceSpace] }
    : replaceSpace;
  const decoders: object[] = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  if (dummyPrefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 });
  return {
    mergeRanks: ranks,
    json: {
      normalizer,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: 'Sequence', decoders },
      added_tokens: addedTokens({ pieces, types }, unknown !== null && unknown >= 0 ? [unknown] : []),
      model: {
        type: 'BPE',
        vocab: vocabularyRecord(pieces),
        merges,
        unk_token: (unknown === null ? undefined : pieces[unknown]) ?? null,
        fuse_unk: true,
        byte_fallback: true,
      },
    },
  };
}

/**
 * The merges with which byte-pair encoding chooses as SentencePiece does: always the adjacent pair whose concatenation
 * has the highest score, the leftmost of equals. Every way to split a piece in two is a merge. Its rank is the place of
 * the score of the piece among all scores, so splits of one piece, and pieces with one score, have the same rank.
 */
export function mergesFromScores(
  pieces: readonly string[],
  types: readonly number[],
  scores: readonly number[],
): { merges: [string, string][]; ranks: number[] } {
  const normal = new Set(pieces.filter((_, id) => types[id] === typeNormal));
  const isSymbol = (symbols: readonly string[]) => symbols.length === 1 || normal.has(symbols.join(''));
  const found: { pair: [string, string]; score: number }[] = [];
  for (const [id, piece] of pieces.entries()) {
    if (types[id] !== typeNormal) continue;
    const symbols = Array.from(piece);
    for (let cut = 1; cut < symbols.length; cut++) {
      const left = symbols.slice(0, cut);
      const right = symbols.slice(cut);
      if (isSymbol(left) && isSymbol(right)) found.push({ pair: [left.join(''), right.join('')], score: scores[id]! });
    }
  }
  found.sort((a, b) => b.score - a.score);
  const ranks: number[] = [];
  for (const [index, { score }] of found.entries()) {
    ranks.push(index > 0 && found[index - 1]!.score === score ? ranks[index - 1]! : index);
  }
  return { merges: found.map(({ pair }) => pair), ranks };
}

/** Splits of a text before byte-level BPE, by `tokenizer.ggml.pre`. */
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
const gpt2Splits = { ...byteLevel, use_regex: true };
const digitsThenGpt2 = { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, gpt2Splits] };
const splitBy = (digits: string) => ({
  type: 'Sequence',
  pretokenizers: [
    {
      type: 'Split',
      pattern: {
        Regex: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
      },
      behavior: 'Isolated',
      invert: false,
    },
    { ...byteLevel, use_regex: false },
  ],
});
interface PreTokenizer {
  readonly steps: object;
  readonly ignoreMerges?: boolean;
  readonly normalizer?: object;
  /** Whether texts begin with the beginning-of-text token, if the file does not say. */
  readonly addsBos?: boolean;
}

const gpt2: PreTokenizer = { steps: gpt2Splits };
const smollm: PreTokenizer = { steps: digitsThenGpt2 };
const llama3: PreTokenizer = { steps: splitBy('\\p{N}{1,3}'), ignoreMerges: true, addsBos: true };
const dbrx: PreTokenizer = { steps: splitBy('\\p{N}{1,3}') };
const qwen2: PreTokenizer = { steps: splitBy('\\p{N}'), normalizer: { type: 'NFC' } };
const stablelm2: PreTokenizer = { steps: splitBy('\\p{N}') };
const named = (names: string, pre: PreTokenizer) => names.split(' ').map((name) => [name, pre] as const);
/** By the names that llama.cpp's converter gives them; those on a line split texts in the same way there. */
const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map([
  ...named('gpt-2 phi-2 mpt olmo jais trillion exaone4 gigachat a.x-4.0 mellum modern-bert granite-docling', gpt2),
  ...named('jina-es jina-de jina-v2-es jina-v2-de', gpt2),
  ...named('smollm starcoder refact command-r codeshell exaone minerva-7b mellum2', smollm),
  ...named('llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano', llama3),
  ...named('dbrx smaug-bpe chatglm-bpe glm4', dbrx),
  ...named('qwen2 deepseek-r1-qwen megrez kormo f2llmv2', qwen2),
  ...named('stablelm2 hunyuan solar-open grok-2', stablelm2),
]);

function describeByteLevel(vocabulary: Vocabulary): Described {
  const { source, metadata, pieces } = vocabulary;
  const merges = strings(metadata, 'merges');
  if (!merges)
    throw new InputError('tokenizer.ggml.merges must be a list of strings.', {
      code: 'tokenizer.invalid',
      place: source,
    });
  const pre = String(metadata.get('tokenizer.ggml.pre') ?? 'none');
  const steps = preTokenizers.get(pre);
  if (!steps) {
    const known = [...preTokenizers.keys()].join(', ');
    // Files from before the key was there, or by a converter that did not know the model: how they split is not known.
    const advice = pre === 'none' || pre === 'default' ? '; convert the model with a newer llama.cpp' : '';
    throw new InputError(`tokenizer.ggml.pre ${quoted(pre)} is not supported${advice}; supported: ${known}.`, {
      code: 'tokenizer.invalid',
      place: source,
    });
  }
  return {
    source,
    config: {},
    special: specialTokens(vocabulary, steps.addsBos ?? false),
    json: {
      normalizer: steps.normalizer ?? null,
      pre_tokenizer: steps.steps,
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      added_tokens: addedTokens(vocabulary),
      model: {
        type: 'BPE',
        vocab: vocabularyRecord(pieces),
        merges: merges.map((merge) => pairOf(merge, source)),
        unk_token: null,
        ignore_merges: steps.ignoreMerges ?? false,
      },
    },
  };
}

/** The two pieces of a merge, which a space parts: pieces that begin with one are written with the sign for it. */
function pairOf(merge: string, source: string): readonly string[] {
  const pair = merge.split(' ');
  if (pair.length === 2) return pair;
  throw new InputError(`tokenizer.ggml.merges holds ${quoted(merge)}, which is no pair of pieces.`, {
    code: 'tokenizer.invalid',
    place: source,
  });
}
