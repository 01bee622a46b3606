/** Text to token ids and back, on `@huggingface/tokenizers`. */
import { InputError, quoted } from '@crossgate/tensor';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { boundPatterns } from './bounded-pattern';
import { type SpecialTokens, specialTokensOf, type VocabularyView } from './special-tokens';
import { Encoder, type MayRead, type TextSteps } from './text-encoder';
import { isJsonObject, type JsonObject, readStructure } from './tokenizer-structure';

export type { SpecialTokens, VocabularyView } from './special-tokens';
export { isJsonObject, type JsonObject } from './tokenizer-structure';

/** Settings of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /**
   * Whether what begins a text comes first: the tokens that the model was trained with before every text or, if it was
   * trained without, its beginning-of-text token, if it has one. Default false.
   */
  readonly bos?: boolean;
  /**
   * Whether to add the space that SentencePiece models put before a text. Default true; use false for segments that
   * continue a text. No effect if the model adds none.
   */
  readonly dummyPrefix?: boolean;
  /**
   * Whether control tokens that the text spells, such as `<s>`, are read as tokens; or a function that says so of the
   * one at [start, end). Default false: a text is text, whatever it spells.
   */
  readonly control?: boolean | MayRead;
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
  /** Where the model's files contradict one another, and which is followed; a sentence each. Absent if nowhere. */
  readonly warnings?: readonly string[];
  /**
   * The token ids of a text.
   *
   * @throws {InputError} for a token that has no row in the model's embeddings, by its name.
   */
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
  /** Whether an id is one of a token. A model may have more rows than there are tokens. */
  has(id: number): boolean;
  /** The control tokens that a text spells, in order: those that `control` would read. */
  controlTokensIn(text: string): string[];
}

/** What {@link createTokenizer} builds a tokenizer from. */
export interface TokenizerDescription {
  /** Name of the tokenizer in messages, usually a path. */
  readonly source: string;
  /** The content of a tokenizer.json. */
  readonly json: JsonObject;
  /** The content of a tokenizer_config.json. */
  readonly config: JsonObject;
  /** What begins and ends a text. Default: what `json` and `config` say. */
  readonly special?: (vocabulary: VocabularyView) => SpecialTokens;
  /** [merges] rank of each merge, so that equally good merges can have the same rank. Default: their order. */
  readonly mergeRanks?: readonly number[];
  /** Rows of the model's embeddings. Default: enough. Added tokens beyond them are refused where they are used. */
  readonly rows?: number;
}

/**
 * Builds a tokenizer from the content of a tokenizer.json.
 *
 * A pattern that could take the built-in engine for ever is matched by one of bounded time.
 *
 * @throws {InputError} when the structure is malformed or one that is not read as Hugging Face reads it, for a pattern
 * that cannot be bounded, and for a vocabulary of more pieces than the model has rows.
 */
export function createTokenizer(description: TokenizerDescription): Tokenizer {
  const { source, config, rows = Number.POSITIVE_INFINITY } = description;
  const { json, vocabulary, added, warnings: contradictions } = readStructure(source, description.json);
  let library: HuggingFaceTokenizer;
  let whole: Steps;
  let continued: Steps;
  try {
    library = new HuggingFaceTokenizer({ ...json }, config);
    whole = stepsOf(library, json, config);
    continued = stepsOf(library, withoutDummyPrefix(json), config);
    for (const { normalizer, pre_tokenizer, decoder } of [library, whole, continued])
      for (const step of [normalizer, pre_tokenizer, decoder]) boundPatterns(step);
  } catch (error) {
    throw new InputError(`the tokenizer cannot be built: ${(error as Error).message}`, {
      code: 'tokenizer.invalid',
      place: source,
    });
  }
  if (description.mergeRanks) setMergeRanks(library, description.mergeRanks);
  const encoder = new Encoder(library, added);

  const pieceOf = new Map<number, string>([...vocabulary].map(([piece, id]) => [id, piece]));
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  for (const [piece, id] of addedIds) pieceOf.set(id, piece);
  let [vocabSize, pieceCount] = [0, 0];
  for (const [id, piece] of pieceOf) {
    vocabSize = Math.max(vocabSize, id + 1);
    if (!addedIds.has(piece)) pieceCount = Math.max(pieceCount, id + 1);
  }
  if (pieceCount > rows) {
    throw new InputError(`the tokenizer has ${pieceCount} tokens, but the model only ${rows}`, {
      code: 'tokenizer.invalid',
      place: source,
      fix: 'give it the tokenizer that it was trained with.',
    });
  }

  const tokenToId = (piece: string) => addedIds.get(piece) ?? vocabulary.get(piece);
  const specialIds = new Set(added.flatMap(({ id, special }) => (special ? [id] : [])));
  const view: VocabularyView = { tokenToId, pieceOf: (id) => pieceOf.get(id), isSpecial: (id) => specialIds.has(id) };
  const special = (description.special ?? ((of) => specialTokensOf({ json, config }, of)))(view);
  const { bosTokenId, beginning, eosTokenIds } = special;
  const warnings = [...contradictions.map((warning) => `${source}: ${warning}`), ...special.warnings];
  const first = beginning.length > 0 ? beginning : bosTokenId === null ? [] : [bosTokenId];

  const checkIds = (ids: readonly number[]) => {
    for (const id of ids) {
      if (!pieceOf.has(id))
        throw new InputError(`token id ${id} is not in the vocabulary of ${vocabSize}.`, {
          code: 'tokenizer.token',
          place: source,
        });
    }
  };
  const checkRows = (ids: readonly number[]) => {
    const beyond = ids.find((id) => id >= rows);
    if (beyond === undefined) return ids as number[];
    throw new InputError(
      `the model has no row for the token ${quoted(pieceOf.get(beyond)!)} (${beyond}), only ${rows} rows`,
      {
        code: 'tokenizer.token',
        place: source,
        fix: 'leave it out, or take the model whose embeddings were made for it.',
      },
    );
  };
  return {
    vocabSize,
    bosTokenId,
    eosTokenIds,
    addsBos: beginning.length > 0,
    ...(warnings.length > 0 && { warnings }),
    encode(text, { bos = false, dummyPrefix = true, control = false } = {}) {
      const mayRead = typeof control === 'function' ? control : () => control;
      const ids = encoder.encode(text, dummyPrefix ? whole : continued, mayRead);
      return checkRows(bos ? [...first, ...ids] : ids);
    },
    decode(ids, { skipSpecial = false, dummyPrefix = true } = {}) {
      checkIds(ids);
      const kept = skipSpecial ? ids.filter((id) => !specialIds.has(id)) : ids;
      const { decoder } = dummyPrefix ? whole : continued;
      const pieces = kept.map((id) => pieceOf.get(id)!);
      return pieces.length === 0 ? '' : decoder ? decoder(pieces) : pieces.join(' ');
    },
    pieces(ids) {
      checkIds(ids);
      return ids.map((id) => pieceOf.get(id)!);
    },
    tokenToId,
    has: (id) => pieceOf.has(id),
    controlTokensIn: (text) => encoder.spelled(text).map(({ content }) => content),
  };
}

/** The steps around the model: before it, and behind it. */
interface Steps extends TextSteps {
  readonly decoder: ((pieces: readonly string[]) => string) | null;
}

/** The steps of a structure. They are built by a tokenizer with an empty model; the vocabulary is the whole one's. */
function stepsOf(library: HuggingFaceTokenizer, json: JsonObject, config: JsonObject): Steps {
  const steps = new HuggingFaceTokenizer(
    { ...json, post_processor: null, added_tokens: [], model: { type: 'BPE', vocab: {}, merges: [] } },
    config,
  );
  if (steps.decoder && library.decoder) {
    steps.decoder.added_tokens = library.decoder.added_tokens;
    steps.decoder.end_of_word_suffix = library.decoder.end_of_word_suffix;
  }
  keepByteOrderMarks(steps.decoder);
  return steps as unknown as Steps;
}

/** The same structure with the steps left out that put a space before a text or take it off. */
function withoutDummyPrefix(json: JsonObject): JsonObject {
  return {
    ...json,
    normalizer: without(json.normalizer, (step) => step.type === 'Prepend'),
    pre_tokenizer: unprefixed(json.pre_tokenizer),
    decoder: without(json.decoder, (step) => step.type === 'Strip'),
  };
}

/** A step, or sequence of steps, less those that match; null where none is left. */
function without(step: unknown, matches: (step: JsonObject) => boolean): unknown {
  if (!isJsonObject(step)) return null;
  if (matches(step)) return null;
  for (const key of ['normalizers', 'decoders']) {
    const inner = step[key];
    if (!Array.isArray(inner)) continue;
    const kept = inner.map((part) => without(part, matches)).filter((part) => part !== null);
    return kept.length > 0 ? { ...step, [key]: kept } : null;
  }
  // The Metaspace decoder takes the first space off; replacing alone keeps it.
  if (step.type === 'Metaspace') return { type: 'Replace', pattern: { String: step.replacement ?? '▁' }, content: ' ' };
  return step;
}

/** A pre-tokenizer with its prefix options off. */
function unprefixed(step: unknown): unknown {
  if (!isJsonObject(step)) return null;
  if (Array.isArray(step.pretokenizers)) return { ...step, pretokenizers: step.pretokenizers.map(unprefixed) };
  if (step.type === 'Metaspace') return { ...step, prepend_scheme: 'never', add_prefix_space: false };
  if (step.type === 'ByteLevel') return { ...step, add_prefix_space: false };
  return step;
}

/** The library ranks merges by their place in the list; equal ranks let the leftmost of equally good pairs go first. */
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
