/** Text to token ids and back, on `@huggingface/tokenizers`. */
import { InputError, quoted } from '@crossgate/tensor';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';

/** Settings of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Whether the beginning-of-text token comes first, if the model has one. Default false. */
  readonly bos?: boolean;
  /**
   * Whether to add the space that SentencePiece models put before a text. Default true; use false for segments that
   * continue a text. No effect if the model adds none.
   */
  readonly dummyPrefix?: boolean;
}

/** Settings of {@link Tokenizer.decode}. */
export interface DecodeOptions {
  /** Whether special tokens are left out. Default false. */
  readonly skipSpecial?: boolean;
  /** Whether the ids begin with the space that `encode` adds; it is then removed. Default true. */
  readonly dummyPrefix?: boolean;
}

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** The largest id plus one. */
  readonly vocabSize: number;
  /** Id of the beginning-of-text token; null where the model has none. */
  readonly bosTokenId: number | null;
  /** Ids of the tokens that end a text; may be empty. */
  readonly eosTokenIds: readonly number[];
  /** Whether the model was trained with the beginning-of-text token before every text. */
  readonly addsBos: boolean;
  /** The token ids of a text. Tokens that stand in the text as added tokens (such as `</s>`) are matched whole. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of token ids. @throws {InputError} for an id outside the vocabulary. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /**
   * The vocabulary's own spelling of each id, such as `▁Yes`.
   *
   * @throws {InputError} for an id outside the vocabulary.
   */
  pieces(ids: readonly number[]): string[];
  /** The id of a piece in the vocabulary's own spelling (`▁Yes`); undefined if there is none. */
  tokenToId(piece: string): number | undefined;
}

/** A JSON object of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What {@link createTokenizer} builds a tokenizer from. */
export interface TokenizerDescription {
  /** Name of the tokenizer in messages, usually a path. */
  readonly source: string;
  /** The content of a tokenizer.json. */
  readonly json: JsonObject;
  /** The content of a tokenizer_config.json. */
  readonly config: JsonObject;
  /** Id of the beginning-of-text token, null for none. Default: what `config` says. */
  readonly bosTokenId?: number | null;
  /** Ids that end a text, besides the one that `config` names. */
  readonly eosTokenIds?: readonly number[];
  /** Whether texts begin with the beginning-of-text token. Default: what the post-processor does. */
  readonly addsBos?: boolean;
  /** [merges] rank of each merge, so that equally good merges can have the same rank. Default: their order. */
  readonly mergeRanks?: readonly number[];
}

/** Whether a value is a JSON object: no list, not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Builds a tokenizer from the content of a tokenizer.json.
 *
 * @throws {InputError} when the tokenizer library does not understand it.
 */
export function createTokenizer(description: TokenizerDescription): Tokenizer {
  const { source, config } = description;
  const json: JsonObject = { ...description.json, pre_tokenizer: withAllDigits(description.json.pre_tokenizer) };
  const { vocabulary, addedIds } = checkStructure(source, json);
  let full: HuggingFaceTokenizer;
  let plain: HuggingFaceTokenizer;
  try {
    full = new HuggingFaceTokenizer({ ...json, added_tokens: json.added_tokens ?? [] }, config);
    plain = withoutDummyPrefix(full, json, config);
  } catch (error) {
    throw new InputError(`the tokenizer cannot be built: ${(error as Error).message}`, {
      code: 'tokenizer.invalid',
      place: source,
    });
  }
  if (description.mergeRanks) setMergeRanks(full, description.mergeRanks);
  keepByteOrderMarks(full.decoder);
  keepByteOrderMarks(plain.decoder);

  const pieceOf = new Map<number, string>([...vocabulary].map(([piece, id]) => [id, piece]));
  for (const [piece, id] of addedIds) pieceOf.set(id, piece);
  let vocabSize = 0;
  for (const id of pieceOf.keys()) vocabSize = Math.max(vocabSize, id + 1);

  const tokenToId = (piece: string) => addedIds.get(piece) ?? vocabulary.get(piece);
  const namedId = (key: string) => {
    const value = config[key];
    const content = isJsonObject(value) ? value.content : value;
    return typeof content === 'string' ? tokenToId(content) : undefined;
  };
  const bosTokenId = description.bosTokenId === undefined ? (namedId('bos_token') ?? null) : description.bosTokenId;
  const eos = namedId('eos_token');
  const eosTokenIds = [...new Set([...(eos === undefined ? [] : [eos]), ...(description.eosTokenIds ?? [])])];
  const startsWithBos = () => bosTokenId !== null && full.encode('a').ids[0] === bosTokenId;

  const checkIds = (ids: readonly number[]) => {
    for (const id of ids) {
      if (!pieceOf.has(id))
        throw new InputError(`token id ${id} is not in the vocabulary of ${vocabSize}.`, {
          code: 'tokenizer.token',
          place: source,
        });
    }
  };
  return {
    vocabSize,
    bosTokenId,
    eosTokenIds,
    addsBos: description.addsBos ?? startsWithBos(),
    encode(text, { bos = false, dummyPrefix = true } = {}) {
      const { ids } = (dummyPrefix ? full : plain).encode(text, { add_special_tokens: false });
      if (bos && bosTokenId !== null) ids.unshift(bosTokenId);
      return ids;
    },
    decode(ids, { skipSpecial = false, dummyPrefix = true } = {}) {
      checkIds(ids);
      if (ids.length === 0) return '';
      // Never "clean up" spaces before punctuation: what was encoded must come back.
      const options = { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false };
      return (dummyPrefix ? full : plain).decode([...ids], options);
    },
    pieces(ids) {
      checkIds(ids);
      return ids.map((id) => pieceOf.get(id)!);
    },
    tokenToId,
  };
}

/** Checks the parts that the library does not check itself. */
function checkStructure(
  source: string,
  json: JsonObject,
): { vocabulary: Map<string, number>; addedIds: Map<string, number> } {
  const fail = (problem: string): never => {
    throw new InputError(problem, { code: 'tokenizer.invalid', place: source });
  };
  const { model } = json;
  if (!isJsonObject(model)) return fail('"model" is missing; is it a tokenizer.json?');
  const vocabulary = new Map<string, number>();
  const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 24;
  if (model.type === 'BPE' || (model.type === undefined && isJsonObject(model.vocab) && Array.isArray(model.merges))) {
    if (!isJsonObject(model.vocab) || !Array.isArray(model.merges)) return fail('"model" needs "vocab" and "merges".');
    for (const [piece, id] of Object.entries(model.vocab)) {
      if (!isId(id)) return fail(`the id of ${quoted(piece)} is ${JSON.stringify(id)}.`);
      vocabulary.set(piece, id);
    }
    for (const merge of model.merges) {
      if (typeof merge !== 'string' && !(Array.isArray(merge) && merge.length === 2))
        return fail('"merges" must hold pairs.');
    }
  } else if (model.type === 'Unigram') {
    if (!Array.isArray(model.vocab)) return fail('"model.vocab" must be a list.');
    for (const [id, entry] of model.vocab.entries()) vocabulary.set(String((entry as unknown[])?.[0]), id);
  } else {
    return fail(`tokenizer model ${quoted(String(model.type))} is not supported; supported: BPE, Unigram.`);
  }
  const addedIds = new Map<string, number>();
  const { added_tokens: added = [] } = json;
  if (!Array.isArray(added)) return fail('"added_tokens" must be a list.');
  for (const token of added) {
    if (!isJsonObject(token) || typeof token.content !== 'string' || token.content === '' || !isId(token.id)) {
      return fail(`"added_tokens" holds ${JSON.stringify(token)?.slice(0, 80)}, which has no content or no id.`);
    }
    addedIds.set(token.content, token.id);
  }
  return { vocabulary, addedIds };
}

/** The same tokenizer (sharing its vocabulary), without the steps that put a space before a text or remove it. */
function withoutDummyPrefix(full: HuggingFaceTokenizer, json: JsonObject, config: JsonObject): HuggingFaceTokenizer {
  // A tokenizer with an empty model serves to build the altered steps.
  const steps = new HuggingFaceTokenizer(
    {
      normalizer: without(json.normalizer, (step) => step.type === 'Prepend'),
      pre_tokenizer: unprefixed(json.pre_tokenizer),
      decoder: without(json.decoder, (step) => step.type === 'Strip'),
      post_processor: null,
      added_tokens: [],
      model: { type: 'BPE', vocab: {}, merges: [] },
    },
    config,
  );
  if (steps.decoder && full.decoder) {
    steps.decoder.added_tokens = full.decoder.added_tokens;
    steps.decoder.end_of_word_suffix = full.decoder.end_of_word_suffix;
  }
  const { normalizer, pre_tokenizer, decoder } = steps;
  return Object.assign(Object.create(full) as HuggingFaceTokenizer, { normalizer, pre_tokenizer, decoder });
}

/** A step, or sequence of steps, without those that match; null if none is left. */
function without(step: unknown, matches: (step: JsonObject) => boolean): unknown {
  if (!isJsonObject(step)) return null;
  if (matches(step)) return null;
  for (const key of ['normalizers', 'decoders']) {
    const inner = step[key];
    if (!Array.isArray(inner)) continue;
    const kept = inner.map((part) => without(part, matches)).filter((part) => part !== null);
    return kept.length > 0 ? { ...step, [key]: kept } : null;
  }
  // The Metaspace decoder removes the first space; replacing alone keeps it.
  if (step.type === 'Metaspace') return { type: 'Replace', pattern: { String: step.replacement ?? '▁' }, content: ' ' };
  return step;
}

/** The library's `Digits` knows only 0 to 9; the original splits at the digits and numbers of every script. */
function withAllDigits(step: unknown): unknown {
  if (!isJsonObject(step)) return step;
  if (Array.isArray(step.pretokenizers)) return { ...step, pretokenizers: step.pretokenizers.map(withAllDigits) };
  if (step.type !== 'Digits') return step;
  const pattern = { Regex: step.individual_digits === true ? '\\p{N}' : '\\p{N}+' };
  return { type: 'Split', pattern, behavior: 'Isolated', invert: false };
}

/** A pre-tokenizer with its prefix options switched off. */
function unprefixed(step: unknown): unknown {
  if (!isJsonObject(step)) return null;
  if (Array.isArray(step.pretokenizers)) return { ...step, pretokenizers: step.pretokenizers.map(unprefixed) };
  if (step.type === 'Metaspace') return { ...step, prepend_scheme: 'never', add_prefix_space: false };
  if (step.type === 'ByteLevel') return { ...step, add_prefix_space: false };
  return step;
}

/**
 * Gives merges their ranks. The library ranks them by their order; with equal ranks, the leftmost of equally good pairs
 * goes first.
 */
function setMergeRanks(tokenizer: HuggingFaceTokenizer, ranks: readonly number[]): void {
  const { bpe_ranks: byPair, merges } = tokenizer.model as unknown as {
    bpe_ranks: Map<string, number>;
    merges: readonly [string, string][];
  };
  for (const [index, pair] of merges.entries()) byPair.set(JSON.stringify(pair), ranks[index]!);
}

/** Bytes EF BB BF decode to U+FEFF, not to nothing. */
function keepByteOrderMarks(decoder: unknown): void {
  const node = decoder as { text_decoder?: InstanceType<typeof TextDecoder>; decoders?: unknown[] } | null;
  if (!node) return;
  if (node.text_decoder && !node.text_decoder.ignoreBOM) {
    node.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
  for (const inner of node.decoders ?? []) keepByteOrderMarks(inner);
}
