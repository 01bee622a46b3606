// Hybrid prompts: filled templates as tokens, with the entity of each position (CCF-LLM §3.2).
import type { UserHistories } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { Tokenizer } from '@crossgate/llm';
import type { Slots } from './methods/method';
import { type Kind, kinds, type Piece, type PromptInput, Template } from './template';

/**
 * One prompt, position by position. A position holds a token, or the vector of an entity (`tokenIds` −1), or both: a
 * token of a fused title also names the item whose vector is added. Entities are named by kind and id, never recognized
 * by their tokens.
 */
export interface HybridPrompt {
  /** [positions] token id; −1 where a vector stands alone. */
  readonly tokenIds: Int32Array;
  /** [positions] kind of the entity, by the numbers of `kinds`. */
  readonly kinds: Uint8Array;
  /** [positions] dense id of the item or user, or number of the learned vector from 1; 0 in plain text. */
  readonly entities: Int32Array;
  /**
   * Number of positions before the first that depends on the candidate. Prompts of one user with the same number share
   * these positions. Absent in prompts that were not made by {@link PromptBuilder}.
   */
  readonly sharedLength?: number;
  /**
   * What was known of the user before the row; only where the CF model computes the user vector from it (SASRec,
   * asymmetric SVD).
   */
  readonly userHistory?: Int32Array;
}

/** Settings of a {@link PromptBuilder}: the template and how its slots are filled. */
export interface PromptOptions {
  /** Text with slots in braces. */
  readonly template: string;
  /** What fills each slot. */
  readonly slots: Slots;
  /** What the items are, in the plural: fills `{nouns}` and `{noun}`. Default: the template says it already. */
  readonly nouns?: string;
  /** Most history items that a prompt names; the last ones are taken. */
  readonly historyLength: number;
  /** Most tokens of a prompt. A longer prompt loses its oldest history items. The paper has 700. */
  readonly maxLength: number;
  /**
   * Most history entries that the CF model computes a user's vector from. Default 0: the model knows the user by id.
   */
  readonly userHistoryLength?: number;
  /** Histories for CF models that read more than positives: see `CfModel.histories` of `@crossgate/cf`. */
  readonly userHistories?: UserHistories;
  /** What fills slots of the titles of `neighbors`, where a prompt's input does not say. */
  readonly neighbors?: NeighborOptions;
}

type TextPiece = Extract<Piece, { readonly kind: 'text' }>;

/** Items that CF recommends, for prompts that name them. */
export interface NeighborOptions {
  /** The items of a user, best first. */
  readonly of: (user: number) => ArrayLike<number>;
  /** Most of them that a prompt names. */
  readonly count: number;
  /** Whether the candidate is left out of them. */
  readonly excludeTarget: boolean;
}

/** The input of a prompt with the items that CF recommends to its user, unless it names some itself. */
export function withNamed(input: PromptInput, neighbors: NeighborOptions | undefined): PromptInput {
  if (!neighbors || input.neighbors) return input;
  const { of, count, excludeTarget } = neighbors;
  const named = Array.from(of(input.user)).filter((item) => !excludeTarget || item !== input.item);
  return { ...input, neighbors: named.slice(0, count), neighborsVary: excludeTarget };
}

/** Makes hybrid prompts from a user, an item and a history. Every title and every piece of text is tokenized once. */
export class PromptBuilder {
  /** The template, parsed. */
  readonly template: Template;
  readonly #texts = new Map<string, Int32Array>();
  readonly #titles: (Int32Array | undefined)[] = [];
  readonly #titleTexts: string[];
  /** The tokens of Yes and No, by the tokenizer. */
  readonly answers: AnswerTokens;

  /**
   * @param titles by dense id; index 0 is padding.
   * @throws InputError when the template has no slot of the candidate or a slot that nothing fills, and when the
   * tokenizer cannot tell Yes from No.
   */
  constructor(
    /** What turns the text of prompts into tokens. */
    readonly tokenizer: Tokenizer,
    titles: readonly string[],
    /** The settings of the prompts. */
    readonly options: PromptOptions,
  ) {
    this.#titleTexts = [...titles];
    this.template = new Template(options.template, options.slots, options.nouns);
    this.answers = findAnswerTokens(tokenizer);
  }

  /**
   * Builds one prompt.
   *
   * @throws InputError when it is longer than `maxLength` even without history, and for an item that has no title.
   */
  build(input: PromptInput): HybridPrompt {
    const { historyLength, maxLength } = this.options;
    const longest = Math.min(historyLength, input.history.length);
    const filled = withNamed(input, this.options.neighbors);
    for (let length = longest; ; length--) {
      const segments = this.#segments(this.template.pieces(filled, length));
      const tokens = segments.reduce((sum, { tokens: ids }) => sum + ids.length, 0);
      if (tokens <= maxLength) return join(segments, tokens);
      if (length === 0) {
        throw new InputError(`a prompt without history has ${tokens} tokens, more than the ${maxLength} allowed`, {
          code: 'prompt.too-long',
          fix: 'raise llm.maxLength or shorten prompt.template',
        });
      }
    }
  }

  /** Makes an item known by its title. @returns its dense id, the next one */
  addItem(title: string): number {
    return this.#titleTexts.push(title) - 1;
  }

  /** Whether there is room for a title: prompts about an item that has it can be built, at least without history. */
  fits(title: string): boolean {
    const item = this.addItem(title);
    try {
      this.build({ user: 0, item, history: new Int32Array(), neighbors: [] });
      return true;
    } catch (error) {
      if (error instanceof InputError) return false;
      throw error;
    } finally {
      this.#titleTexts.pop();
      this.#titles.length = Math.min(this.#titles.length, item);
    }
  }

  /** The prompt as text, vectors in brackets: for reports and tests. It is not shortened to `maxLength`. */
  describe(input: PromptInput): string {
    return this.template.text(withNamed(input, this.options.neighbors), this.options.historyLength, (id) =>
      this.#title(id),
    );
  }

  #segments(pieces: readonly Piece[]): Segment[] {
    const segments = pieces.map((piece, i): Segment => {
      if (piece.kind === 'text') return plain(this.#textTokens(piece, i === 0));
      if (piece.kind === 'title') {
        const { id, fused, candidate } = piece;
        const tokens = this.#titleTokens(id);
        return fused ? { tokens, kind: 'title', entity: id, candidate } : { ...plain(tokens), candidate };
      }
      if (piece.kind === 'learned') {
        const tokens = new Int32Array(piece.count).fill(-1);
        return { tokens, kind: 'learned', entity: piece.first, ascending: true, candidate: false };
      }
      return { tokens: vector, kind: piece.kind, entity: piece.id, candidate: piece.candidate };
    });
    // A prompt that begins with a vector begins as every text does all the same.
    if (pieces[0]?.kind !== 'text') segments.unshift(plain(this.#textTokens({ text: '' }, true)));
    const { prefix } = this.answers;
    if (prefix.length > 0) segments.push(plain(prefix));
    return segments;
  }

  #textTokens({ text, data = [] }: Omit<TextPiece, 'kind'>, first: boolean): Int32Array {
    const key = JSON.stringify([first, text, data]);
    let tokens = this.#texts.get(key);
    if (tokens === undefined) {
      const bos = first && this.tokenizer.addsBos;
      // Control tokens that the template spells are meant; those that data spells are text.
      const control = (start: number, end: number) => data.every(([from, to]) => end <= from || to <= start);
      tokens = Int32Array.from(this.tokenizer.encode(text, { bos, dummyPrefix: first, control }));
      this.#texts.set(key, tokens);
    }
    return tokens;
  }

  #title(id: number): string {
    const title = this.#titleTexts[id];
    if (title === undefined || id === 0)
      throw new InputError(`item ${id} is not in the data set (1 … ${this.#titleTexts.length - 1})`);
    return title.trim();
  }

  #titleTokens(id: number): Int32Array {
    let tokens = this.#titles[id];
    if (tokens === undefined) {
      tokens = Int32Array.from(this.tokenizer.encode(this.#title(id), { bos: false, dummyPrefix: false }));
      this.#titles[id] = tokens;
    }
    return tokens;
  }
}

/**
 * The prompt of a user, a candidate and all positives before. The template names the last positives. A CF model that
 * computes the user vector from a history takes `userHistory`, else the last positives.
 *
 * @throws InputError as `build` does.
 */
export function promptFor(
  builder: PromptBuilder,
  { userHistory, ...input }: PromptInput & { readonly history: Int32Array },
): HybridPrompt {
  const { userHistoryLength = 0 } = builder.options;
  const { history } = input;
  const prompt = builder.build(input);
  if (userHistoryLength === 0) return prompt;
  return { ...prompt, userHistory: userHistory ?? history.subarray(Math.max(0, history.length - userHistoryLength)) };
}

interface Segment {
  readonly tokens: Int32Array;
  readonly kind: Kind;
  readonly entity: number;
  /** Every position belongs to the next entity. */
  readonly ascending?: boolean;
  /** Whether it depends on the candidate. */
  readonly candidate: boolean;
}

const vector = Int32Array.of(-1);

const plain = (tokens: Int32Array): Segment => ({ tokens, kind: 'text', entity: 0, candidate: false });

function join(segments: readonly Segment[], length: number): HybridPrompt {
  const prompt = { tokenIds: new Int32Array(length), kinds: new Uint8Array(length), entities: new Int32Array(length) };
  let position = 0;
  let sharedLength = length;
  for (const { tokens, kind, entity, ascending, candidate } of segments) {
    if (candidate) sharedLength = Math.min(sharedLength, position);
    const end = position + tokens.length;
    prompt.tokenIds.set(tokens, position);
    prompt.kinds.fill(kinds[kind], position, end);
    prompt.entities.fill(entity, position, end);
    if (ascending) for (let i = position; i < end; i++) prompt.entities[i] = entity + i - position;
    position = end;
  }
  return { ...prompt, sharedLength };
}

/** The part of a prompt from position `start` up to, but without, `end` (default: to the end of the prompt). */
export function slicePrompt(prompt: HybridPrompt, start: number, end?: number): HybridPrompt {
  return {
    ...prompt,
    tokenIds: prompt.tokenIds.subarray(start, end),
    kinds: prompt.kinds.subarray(start, end),
    entities: prompt.entities.subarray(start, end),
  };
}

/** The tokens whose probabilities are the answer. */
export interface AnswerTokens {
  /** Tokens that both answers begin with; they end the prompt. Empty when the first tokens of Yes and No differ. */
  readonly prefix: Int32Array;
  /** Token id that stands for Yes. */
  readonly yes: number;
  /** Token id that stands for No. */
  readonly no: number;
}

/**
 * Finds the tokens of " Yes" and " No" after "#Answer:": the first ones in which the two differ.
 *
 * @throws InputError when they do not differ.
 */
export function findAnswerTokens(tokenizer: Tokenizer): AnswerTokens {
  const [yes, no] = [' Yes', ' No'].map((text) => tokenizer.encode(text, { bos: false, dummyPrefix: false })) as [
    number[],
    number[],
  ];
  let common = 0;
  while (common < Math.min(yes.length, no.length) && yes[common] === no[common]) common++;
  const [yesToken, noToken] = [yes[common], no[common]];
  if (yesToken === undefined || noToken === undefined) {
    throw new InputError('the tokenizer cannot tell " Yes" from " No"', {
      code: 'tokenizer.invalid',
      fix: 'choose a model with another tokenizer',
    });
  }
  return { prefix: Int32Array.from(yes.slice(0, common)), yes: yesToken, no: noToken };
}
