/** The structure of a tokenizer.json: checked, and put so that the library does what Hugging Face's own does. */
import { InputError, quoted } from '@crossgate/tensor';

/** Plain JSON of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** True for a JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A token beside the vocabulary's pieces, matched whole in a text where it is matched at all. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** It stands for no text: beginnings and ends, padding, turns of a chat. */
  readonly special: boolean;
  /** It is matched only where no letter, digit or underscore touches it. */
  readonly singleWord: boolean;
  /** White space before it belongs to it. */
  readonly stripsLeft: boolean;
  /** White space behind it belongs to it. */
  readonly stripsRight: boolean;
  /** It is looked for in the normalized text. */
  readonly normalized: boolean;
}

/** What {@link readStructure} gives. */
export interface TokenizerStructure {
  /** For the library, which reads it as Hugging Face's own does. */
  readonly json: JsonObject;
  /** Piece → id, without the added tokens that are no pieces too. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
  /** What contradicts one another, a sentence each. */
  readonly warnings: readonly string[];
}

type Fail = (problem: string, fix?: string) => never;

/**
 * Checks the parts of a tokenizer.json that the library takes on trust, and puts right what it would misread.
 * @param source what to call the file in messages
 * @throws {InputError} for structures that are malformed, and for those that would give other tokens than Hugging Face's.
 */
export function readStructure(source: string, json: JsonObject): TokenizerStructure {
  const fail: Fail = (problem, fix) => {
    throw new InputError(problem, { code: 'tokenizer.invalid', place: source, ...(fix !== undefined && { fix }) });
  };
  const { model } = json;
  if (!isJsonObject(model)) return fail('"model" is missing; is it a tokenizer.json?');
  const { added_tokens: listed = [] } = json;
  if (!Array.isArray(listed)) return fail('"added_tokens" must be a list.');
  const given = listed.map((token) => addedToken(token, fail));
  const { vocabulary, ...readable } = readModel(model, new Set(given.map(({ content }) => content)), fail);
  const warnings: string[] = [];
  const added = withTheirIds(given, vocabulary, warnings, fail);
  const steps = {
    normalizer: rewritten(json.normalizer, 'normalizers', (step) => normalizer(step, fail)),
    pre_tokenizer: rewritten(json.pre_tokenizer, 'pretokenizers', (step) => preTokenizer(step, fail)),
    decoder: rewritten(json.decoder, 'decoders', decoder),
    added_tokens: listed.map((token, index) => ({ ...token, id: added[index]!.id })),
  };
  return { json: { ...json, ...readable, ...steps }, vocabulary, added, warnings };
}

const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 24;

function addedToken(token: unknown, fail: Fail): AddedToken {
  if (!isJsonObject(token) || typeof token.content !== 'string' || token.content === '' || !isId(token.id))
    return fail(`"added_tokens" holds ${JSON.stringify(token)?.slice(0, 80)}, which has no content or no id.`);
  const special = token.special === true;
  return {
    id: token.id,
    content: token.content,
    special,
    singleWord: token.single_word === true,
    stripsLeft: token.lstrip === true,
    stripsRight: token.rstrip === true,
    normalized: typeof token.normalized === 'boolean' ? token.normalized : !special,
  };
}

/**
 * Added tokens with the ids that Hugging Face's library gives them: that of the vocabulary where it has them, else the
 * next that is free.
 */
function withTheirIds(
  added: readonly AddedToken[],
  vocabulary: ReadonlyMap<string, number>,
  warnings: string[],
  fail: Fail,
): AddedToken[] {
  const contents = new Map<string, number>();
  let next = vocabulary.size;
  return added.map((token) => {
    const { content, id } = token;
    const own = vocabulary.get(content);
    if (own !== undefined && own !== id)
      warnings.push(`"added_tokens" gives ${quoted(content)} the id ${id}, "model.vocab" ${own}, which counts`);
    const due = own ?? contents.get(content) ?? next++;
    contents.set(content, due);
    if (own === undefined && due !== id)
      fail(
        `"added_tokens" gives ${quoted(content)} the id ${id}, but Hugging Face's library gives it ${due}, the next that is free`,
        'list the added tokens in the order of their ids and leave none out, or give them these ids in "model.vocab"',
      );
    return { ...token, id: due };
  });
}

/** @param added contents of added tokens, which merges may give too */
function readModel(model: JsonObject, added: ReadonlySet<string>, fail: Fail) {
  const { type, vocab, merges } = model;
  if (type === 'BPE' || (type === undefined && isJsonObject(vocab) && Array.isArray(merges))) {
    if (!isJsonObject(vocab) || !Array.isArray(merges)) return fail('"model" needs "vocab" and "merges".');
    const vocabulary = new Map<string, number>();
    for (const [piece, id] of Object.entries(vocab)) {
      if (!isId(id)) return fail(`the id of ${quoted(piece)} is ${JSON.stringify(id)}.`);
      vocabulary.set(piece, id);
    }
    const isPiece = (piece: string) => vocabulary.has(piece) || added.has(piece);
    for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
      if (typeof model[key] === 'string' && model[key] !== '')
        return fail(`"model.${key}" is ${JSON.stringify(model[key])}, which is not supported.`);
    }
    if (typeof model.dropout === 'number' && model.dropout > 0)
      return fail(
        `"model.dropout" is ${model.dropout}: every text would have other tokens each time.`,
        'set it to null',
      );
    if (typeof model.unk_token === 'string' && !isPiece(model.unk_token))
      return fail(`"model.unk_token" is ${quoted(model.unk_token)}, which is not in the vocabulary.`);
    // Lists hold pairs or, in files of older releases, strings; the library decides by the first entry.
    const pairs = merges.map((merge) => mergeOf(merge, fail));
    for (const [left, right] of pairs) {
      if (!isPiece(left + right))
        return fail(
          `"merges" joins ${quoted(left)} and ${quoted(right)}, but the vocabulary has no ${quoted(left + right)}.`,
        );
    }
    return { vocabulary, model: { ...model, type: 'BPE', merges: pairs } };
  }
  if (type !== 'Unigram')
    return fail(`tokenizer model ${quoted(String(type))} is not supported; supported: BPE, Unigram.`);
  if (!Array.isArray(vocab)) return fail('"model.vocab" must be a list.');
  if (model.byte_fallback === true) return fail('"model.byte_fallback" of a Unigram model is not supported.');
  const vocabulary = new Map<string, number>();
  for (const [id, entry] of vocab.entries()) {
    const [piece, score] = Array.isArray(entry) ? entry : [];
    if (typeof piece !== 'string' || typeof score !== 'number')
      return fail(
        `entry ${id} of "model.vocab" is ${JSON.stringify(entry)?.slice(0, 80)}, but must be a piece and its score.`,
      );
    vocabulary.set(piece, id);
  }
  if (model.unk_id != null && !(isId(model.unk_id) && model.unk_id < vocab.length))
    return fail(`"model.unk_id" is ${JSON.stringify(model.unk_id)}, outside the vocabulary of ${vocab.length}.`);
  return { vocabulary, model };
}

function mergeOf(merge: unknown, fail: Fail): readonly [string, string] {
  const pair = typeof merge === 'string' ? merge.split(' ') : merge;
  const isPart = (part: unknown) => typeof part === 'string' && part !== '';
  if (Array.isArray(pair) && pair.length === 2 && pair.every(isPart)) return [pair[0], pair[1]];
  return fail(`"merges" must hold pairs of pieces, but holds ${JSON.stringify(merge)?.slice(0, 80)}.`);
}

/** A step with a function applied to every step in it; `key` is where sequences keep theirs. */
function rewritten(step: unknown, key: string, change: (step: JsonObject) => unknown): unknown {
  if (!isJsonObject(step)) return step ?? null;
  const inner = step[key];
  return Array.isArray(inner) ? { ...step, [key]: inner.map((part) => rewritten(part, key, change)) } : change(step);
}

const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const word = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200C\\u200D';

const punctuation = '[!-\\/:-@\\[-`{-~\\p{P}]';
const withoutSpaces = { type: 'Split', pattern: { Regex: '\\s+' }, behavior: 'Removed', invert: false };

/** A step on the text, put so that the library does as Hugging Face's own does. */
function normalizer(step: JsonObject, fail: Fail): unknown {
  if (step.type === 'Precompiled') {
    if (step.precompiled_charsmap == null || step.precompiled_charsmap === '') return null;
    // The library has NFKC in its place, which is not the same.
    return fail('the normalizer "Precompiled" replaces characters by a table of its own, which is not supported.');
  }
  if (step.type !== 'Strip') return step;
  // JavaScript's white space has U+FEFF, which is none, and lacks U+0085.
  const ends = [step.strip_left === true && '\\A\\s+', step.strip_right === true && '\\s+\\z'];
  const Regex = ends.filter((end) => end !== false).join('|');
  return Regex === '' ? null : { type: 'Replace', pattern: { Regex }, content: '' };
}

/** A step behind the model: where nothing was put before a text, nothing is taken off. */
function decoder(step: JsonObject): unknown {
  if (step.type !== 'Metaspace' || step.prepend_scheme !== 'never') return step;
  return { type: 'Replace', pattern: { String: step.replacement ?? '▁' }, content: ' ' };
}

/** A step before the model, put so that the library splits as Hugging Face's own does. */
function preTokenizer(step: JsonObject, fail: Fail): unknown {
  const isolated = (regex: string) => {
    return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false };
  };
  const refuse = () => fail(`the pre-tokenizer ${JSON.stringify(step).slice(0, 120)} is not supported.`);
  const behavior = String(step.behavior ?? 'Isolated').toLowerCase();
  switch (step.type) {
    // The library knows the digits 0 to 9 alone; the original splits at the digits and numbers of every script.
    case 'Digits':
      return isolated(step.individual_digits === true ? '\\p{N}' : '\\p{N}+');
    // The library takes runs of punctuation together, whatever the step says.
    case 'Punctuation':
      if (behavior === 'isolated') return isolated(punctuation);
      return behavior === 'contiguous' ? isolated(`${punctuation}+`) : refuse();
    // Of the five ways to split, the library has two, and no third for what the pattern leaves.
    case 'Split':
      if (behavior === 'isolated' && step.invert !== true) return step;
      return behavior === 'removed' ? { ...step, invert: step.invert === true } : refuse();
    case 'Metaspace':
      return metaspace(step, isolated, refuse);
    // The library's white space has U+FEFF, which is none, and lacks U+0085; its words are those of ASCII.
    case 'ByteLevel':
      if (step.use_regex === false || step.add_prefix_space === true) return step;
      return { type: 'Sequence', pretokenizers: [isolated(gpt2Words), { ...step, use_regex: false }] };
    case 'BertPreTokenizer':
      return { type: 'Sequence', pretokenizers: [withoutSpaces, isolated(punctuation)] };
    case 'WhitespaceSplit':
      return withoutSpaces;
    case 'Whitespace':
      return { type: 'Split', pattern: { Regex: `[${word}]+|[^${word}\\s]+` }, behavior: 'Removed', invert: true };
    default:
      return step;
  }
}

/** The library passes over `split` and the older `add_prefix_space`. */
function metaspace(step: JsonObject, isolated: (regex: string) => JsonObject, refuse: () => never): unknown {
  const { replacement = '▁' } = step;
  if (typeof replacement !== 'string' || Array.from(replacement).length !== 1) return refuse();
  const spaces = {
    type: 'Metaspace',
    replacement,
    prepend_scheme: step.add_prefix_space === false ? 'never' : (step.prepend_scheme ?? 'always'),
  };
  if (step.split === false) return spaces;
  const sign = replacement.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
  return { type: 'Sequence', pretokenizers: [spaces, isolated(`${sign}[^${sign}]*`)] };
}
