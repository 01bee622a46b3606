/** Text to ids: which tokens beside the vocabulary's pieces a text may hold, and the steps for what lies between them. */
import type { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import type { AddedToken } from './tokenizer-structure';

/** Whether the added token that a text spells at [start, end) is read as that token. */
export type MayRead = (start: number, end: number) => boolean;

/** The steps of the library from a text to the words that its model takes. */
export interface TextSteps {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: ((text: string, options: { section_index: number | undefined }) => string[]) | null;
}

/** The pieces of a unigram model by their beginnings. */
interface LibraryTrie {
  extend(pieces: readonly string[]): void;
}

/** What of the library's models is used: those of byte-pair encoding and of unigrams. */
interface LibraryModel {
  (words: readonly string[]): string[];
  readonly vocab: readonly string[];
  readonly tokens_to_ids: Pick<ReadonlyMap<string, number>, 'get' | 'has'>;
  readonly unk_token_id: number | undefined;
  readonly byte_fallback?: boolean;
  readonly ignore_merges?: boolean;
  readonly merges?: readonly (readonly [string, string])[];
  readonly bpe_ranks?: Pick<ReadonlyMap<string, number>, 'get'>;
  readonly cache?: object;
  readonly trie?: LibraryTrie;
  encode(words: readonly string[]): string[];
  _call(words: readonly string[]): string[];
}

/** Letters, digits and white space stand for themselves; what controls a model has signs in it. */
const isWord = ({ content, special }: AddedToken) => !special && /^[\p{L}\p{M}\p{N}\s]+$/u.test(content);

/** A part of a text: an added token, or what lies between two. */
interface Section {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly token?: AddedToken;
}

/** Encodes texts. What a text spells becomes an added token only where the caller says so; words that were added always do. */
export class Encoder {
  readonly #model: LibraryModel;
  readonly #ids: LibraryModel['tokens_to_ids'];
  readonly #raw: Finder;
  readonly #normalized: Finder;
  readonly #all: Finder;

  /** @param library the whole tokenizer: its model is used */
  constructor(library: LibraryTokenizer, added: readonly AddedToken[]) {
    const model = library.model as unknown as LibraryModel;
    const looked = new Map(added.map((token) => [token.content, token]));
    const words = new Set([...looked.values()].filter(isWord).map(({ content }) => content));
    const forbidden = new Set([...looked.keys()].filter((content) => !words.has(content)));
    this.#model = textModel(model, forbidden);
    this.#ids = model.tokens_to_ids;
    const normalize = library.normalizer as unknown as TextSteps['normalizer'];
    const [raw, normalized]: Map<string, AddedToken>[] = [new Map(), new Map()];
    for (const token of looked.values()) {
      if (token.normalized && normalize) normalized!.set(normalize(token.content), token);
      else raw!.set(token.content, token);
    }
    this.#raw = new Finder(raw!);
    this.#normalized = new Finder(normalized!);
    this.#all = new Finder(looked);
  }

  /** @param mayRead asked for each added token that the text spells, by its place */
  encode(text: string, steps: TextSteps, mayRead: MayRead): number[] {
    const ids: number[] = [];
    for (const [index, section] of this.#raw.split(text, mayRead).entries()) {
      if (section.token) {
        ids.push(section.token.id);
        continue;
      }
      if (section.text === '') continue;
      const normalized = steps.normalizer ? steps.normalizer(section.text) : section.text;
      // Where a token of the normalized text lay is not known; it may be read where all around it may.
      const whole = () => mayRead(section.start, section.end);
      for (const [inner, part] of this.#normalized.split(normalized, whole).entries()) {
        if (part.token) ids.push(part.token.id);
        else if (part.text !== '') ids.push(...this.#encodeWords(part.text, steps, index === 0 && inner === 0));
      }
    }
    return ids;
  }

  /** The added tokens that a text spells in order, words left out. */
  spelled(text: string): AddedToken[] {
    return this.#all.split(text, () => true).flatMap(({ token }) => (token && !isWord(token) ? [token] : []));
  }

  #encodeWords(text: string, { pre_tokenizer }: TextSteps, first: boolean): number[] {
    const words = pre_tokenizer ? pre_tokenizer(text, { section_index: first ? 0 : 1 }) : [text];
    return this.#model(words).map((piece) => this.#ids.get(piece) ?? this.#model.unk_token_id!);
  }
}

const endsInWord = /[\p{L}\p{N}\p{M}_]$/u;
const beginsWithWord = /^[\p{L}\p{N}\p{M}_]/u;

/** Finds added tokens in a text, the leftmost first, of those the longest. */
class Finder {
  /** By their first code unit, the longest first. */
  readonly #byStart = new Map<string, [string, AddedToken][]>();

  constructor(tokens: ReadonlyMap<string, AddedToken>) {
    for (const entry of [...tokens].sort(([a], [b]) => b.length - a.length)) {
      const start = entry[0].charAt(0);
      this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), entry]);
    }
  }

  split(text: string, mayRead: MayRead): Section[] {
    const sections: Section[] = [];
    let begin = 0;
    const between = (end: number) => {
      if (end > begin) sections.push({ text: text.slice(begin, end), start: begin, end });
    };
    for (let at = 0; this.#byStart.size > 0 && at < text.length; ) {
      const found = this.#at(text, at, mayRead);
      if (!found) {
        at++;
        continue;
      }
      const [content, token] = found;
      let [start, end] = [at, at + content.length];
      if (token.stripsLeft) while (start > begin && /\s/.test(text[start - 1]!)) start--;
      if (token.stripsRight) while (end < text.length && /\s/.test(text[end]!)) end++;
      between(start);
      sections.push({ text: content, start, end, token });
      at = begin = end;
    }
    between(text.length);
    return sections;
  }

  #at(text: string, at: number, mayRead: MayRead): [string, AddedToken] | undefined {
    return this.#byStart.get(text[at]!)?.find(([content, token]) => {
      if (!text.startsWith(content, at)) return false;
      const end = at + content.length;
      if (token.singleWord && (endsInWord.test(text.slice(0, at)) || beginsWithWord.test(text.slice(end))))
        return false;
      return isWord(token) || mayRead(at, end);
    });
  }
}

/** The model without some pieces: a text between added tokens is made of other pieces, whatever it spells. */
function textModel(model: LibraryModel, forbidden: ReadonlySet<string>): LibraryModel {
  // Bytes that stand for what no piece spells are no text: "<0x0A>" is six characters.
  const isByte = (piece: string) => model.byte_fallback === true && /^<0x[0-9A-F]{2}>$/.test(piece);
  const isAllowed = (piece: string) => !forbidden.has(piece) || isByte(piece);
  const isText = (piece: string) => !forbidden.has(piece) && !isByte(piece);
  const view = Object.create(model) as { -readonly [Key in keyof LibraryModel]: LibraryModel[Key] };
  view.tokens_to_ids = {
    has: (piece) => isAllowed(piece) && model.tokens_to_ids.has(piece),
    get: (piece) => model.tokens_to_ids.get(piece),
  };
  if (model.trie) {
    view.trie = new (model.trie.constructor as new () => LibraryTrie)();
    view.trie.extend(model.vocab.filter((piece) => !forbidden.has(piece)));
  }
  if (model.bpe_ranks && model.merges && model.cache) {
    const ranks = model.bpe_ranks;
    const dropped = model.merges.filter(([left, right]) => !isText(left + right)).map((pair) => JSON.stringify(pair));
    const without = new Set(dropped);
    if (without.size > 0) view.bpe_ranks = { get: (pair) => (without.has(pair) ? undefined : ranks.get(pair)) };
    view.cache = new (model.cache.constructor as new (capacity: number) => object)(10_000);
    if (model.ignore_merges) {
      view.ignore_merges = false;
      view.encode = (words) =>
        words.flatMap((word) => {
          return isText(word) && model.tokens_to_ids.has(word) ? [word] : model.encode.call(view, [word]);
        });
    }
  }
  const call = (words: readonly string[]) => model._call.call(view, words);
  return Object.assign(call, { unk_token_id: model.unk_token_id }) as unknown as LibraryModel;
}
