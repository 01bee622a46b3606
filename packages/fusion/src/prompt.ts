// Hybrid prompts: text, item slots and user slots as tokens with marks (CCF-LLM §3.2).
import type { UserHistories } from '@crossgate/cf';
import { InputError } from '@crossgate/gpu';
import type { Tokenizer } from '@crossgate/llm';
import type { Slots } from './methods/method';

/** What a prompt is made from. Items by dense id, the history oldest first. */
export interface PromptInput {
  readonly user: number;
  readonly item: number;
  readonly history: ArrayLike<number>;
  /** What the CF model makes the user's vector of, where it is more than `history`; cut to `userHistoryLength` already. */
  readonly userHistory?: Int32Array;
}

/**
 * One prompt, position by position. Each position holds a token, or a user's vector (`tokenIds` −1, `users` > 0);
 * the tokens of an item slot also carry the item's id. Dense ids, 0 = none.
 */
export interface HybridPrompt {
  readonly tokenIds: Int32Array;
  readonly items: Int32Array;
  readonly users: Int32Array;
  /**
   * Positions before the first that depends on the candidate; for one user, they are the same wherever their number is. Absent in prompts
   * of other makers.
   */
  readonly sharedLength?: number;
  /** What was known of the user before the row, where the CF model makes the user's vector of it (SASRec, asymmetric SVD). */
  readonly userHistory?: Int32Array;
}

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'history' | 'item'; readonly fused: boolean }
  | { readonly kind: 'user' };

const slotPattern = /\{(\w+)\}/;

/** How the slots of a template are filled. */
export interface PromptOptions {
  /**
   * Text with slots in braces. Slots of titles hold them in double quotes; in a history they are joined by ", ".
   */
  readonly template: string;
  /** What fills each slot; one that the template leaves out is not filled. */
  readonly slots: Slots;
  /** Most history items that a prompt names. */
  readonly historyLength: number;
  /** Most tokens of a prompt; the oldest history items are dropped first. */
  readonly maxLength: number;
  /** Most entries of a history that the CF model makes a user's vector of; 0 (default) where it knows the user by id. */
  readonly userHistoryLength?: number;
  /** Where the CF model reads more than positives: what it reads, see `CfModel.histories` of `@crossgate/cf`. */
  readonly userHistories?: UserHistories;
}

/** Turns (user, item, history) into hybrid prompts; tokenises every title and every piece of text once. */
export class PromptBuilder {
  readonly #parts: readonly Part[];
  readonly #texts = new Map<string, Int32Array>();
  readonly #titles: (Int32Array | undefined)[] = [];
  readonly answers: AnswerTokens;

  /**
   * @param titles by dense id; index 0 is padding.
   * @throws InputError when the template has no slot of the candidate's title, or one that nothing fills.
   */
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly titles: readonly string[],
    readonly options: PromptOptions,
  ) {
    this.#parts = options.template
      .split(slotPattern)
      .map((text, i): Part => (i % 2 === 0 ? { kind: 'text', text } : partOf(text, options.slots)))
      .filter((part) => part.kind !== 'text' || part.text !== '');
    if (!this.#parts.some(({ kind }) => kind === 'item')) {
      throw new InputError('prompt.template has no {item} slot: the prompt would not say what to predict');
    }
    this.answers = findAnswerTokens(tokenizer);
  }

  /**
   * Builds one prompt.
   *
   * @throws InputError when it is longer than `maxLength` even without any history.
   */
  build(input: PromptInput): HybridPrompt {
    const { historyLength, maxLength } = this.options;
    const longest = Math.min(historyLength, input.history.length);
    for (let length = longest; ; length--) {
      const segments = this.#segments(input, length);
      const tokens = segments.reduce((sum, { tokens: ids }) => sum + ids.length, 0);
      if (tokens <= maxLength) return this.#join(segments, tokens);
      if (length === 0) {
        throw new InputError(
          `a prompt without history has ${tokens} tokens, more than the ${maxLength} allowed: raise llm.maxLength or shorten prompt.template`,
        );
      }
    }
  }

  /** The prompt as text, slots in brackets: for reports and tests. */
  describe(input: PromptInput): string {
    const length = Math.min(this.options.historyLength, input.history.length);
    return this.#pieces(input, length)
      .map((piece) => {
        if (piece.kind === 'text') return piece.text;
        return piece.kind === 'user' ? `[User ${piece.id}]` : this.#title(piece.id);
      })
      .join('');
  }

  /** The filled template: neighbouring text is one piece, so that it is tokenised as a whole. */
  #pieces({ user, item, history }: PromptInput, length: number): Piece[] {
    const pieces: Piece[] = [];
    const text = (value: string) => {
      const last = pieces.at(-1);
      if (last !== undefined && last.kind === 'text')
        pieces[pieces.length - 1] = { kind: 'text', text: last.text + value };
      else pieces.push({ kind: 'text', text: value });
    };
    const quoted = (id: number, fused: boolean, candidate = false) => {
      text('"');
      pieces.push({ kind: 'item', id, fused, candidate });
      text('"');
    };
    for (const part of this.#parts) {
      if (part.kind === 'text') text(part.text);
      else if (part.kind === 'item') quoted(item, part.fused, true);
      else if (part.kind === 'user') pieces.push({ kind: 'user', id: user });
      else if (length === 0) text('unknown');
      else {
        for (let i = history.length - length; i < history.length; i++) {
          if (i > history.length - length) text(', ');
          quoted(history[i]!, part.fused);
        }
      }
    }
    return pieces;
  }

  #segments(input: PromptInput, length: number): Segment[] {
    const segments = this.#pieces(input, length).map((piece, i): Segment => {
      if (piece.kind === 'user') return { tokens: userSlot, item: 0, user: piece.id, candidate: false };
      if (piece.kind === 'item') {
        const { id, fused, candidate } = piece;
        return { tokens: this.#titleTokens(id), item: fused ? id : 0, user: 0, candidate };
      }
      return { tokens: this.#textTokens(piece.text, i === 0), item: 0, user: 0, candidate: false };
    });
    const { prefix } = this.answers;
    if (prefix.length > 0) segments.push({ tokens: prefix, item: 0, user: 0, candidate: false });
    return segments;
  }

  #join(segments: readonly Segment[], tokens: number): HybridPrompt {
    const prompt = { tokenIds: new Int32Array(tokens), items: new Int32Array(tokens), users: new Int32Array(tokens) };
    let position = 0;
    let sharedLength = tokens;
    for (const { tokens: ids, item, user, candidate } of segments) {
      if (candidate) sharedLength = Math.min(sharedLength, position);
      prompt.tokenIds.set(ids, position);
      prompt.items.fill(item, position, position + ids.length);
      prompt.users.fill(user, position, position + ids.length);
      position += ids.length;
    }
    return { ...prompt, sharedLength };
  }

  #textTokens(text: string, first: boolean): Int32Array {
    const key = `${first}${text}`;
    let tokens = this.#texts.get(key);
    if (tokens === undefined) {
      tokens = Int32Array.from(this.tokenizer.encode(text, { bos: first, dummyPrefix: first }));
      this.#texts.set(key, tokens);
    }
    return tokens;
  }

  #title(id: number): string {
    const title = this.titles[id];
    if (title === undefined || id === 0)
      throw new InputError(`item ${id} is not in the data set (1 … ${this.titles.length - 1})`);
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
 * The prompt of a user, a candidate and all positives before: the template takes the last of them, and so does the CF model where
 * it makes the user's vector of them and no `userHistory` is given.
 *
 * @throws InputError as `build` does.
 */
export function promptFor(
  builder: PromptBuilder,
  { user, item, history, userHistory }: PromptInput & { readonly history: Int32Array },
): HybridPrompt {
  const { userHistoryLength = 0 } = builder.options;
  const prompt = builder.build({ user, item, history });
  if (userHistoryLength === 0) return prompt;
  return { ...prompt, userHistory: userHistory ?? history.subarray(Math.max(0, history.length - userHistoryLength)) };
}

/** What a slot of a template becomes. @throws InputError for a slot that nothing fills */
function partOf(name: string, slots: Slots): Part {
  const slot = Object.hasOwn(slots, name) ? slots[name] : undefined;
  if (slot === undefined) {
    const known = Object.keys(slots).map((each) => `{${each}}`);
    throw new InputError(
      `prompt.template: nothing fills the slot {${name}} in this method; there are ${known.join(', ')}`,
    );
  }
  return 'vector' in slot ? { kind: 'user' } : { kind: slot.titles, fused: slot.fused === true };
}

type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'item'; readonly id: number; readonly fused: boolean; readonly candidate: boolean }
  | { readonly kind: 'user'; readonly id: number };

interface Segment {
  readonly tokens: Int32Array;
  readonly item: number;
  readonly user: number;
  /** The title of the candidate. */
  readonly candidate: boolean;
}

const userSlot = Int32Array.of(-1);

/** The tokens whose probabilities are the answer. */
export interface AnswerTokens {
  /** Tokens both answers begin with; they end the prompt. Empty where Yes and No are single tokens. */
  readonly prefix: Int32Array;
  readonly yes: number;
  readonly no: number;
}

/** Finds what follows "#Answer:" as Yes and as No: the first tokens in which the two differ. */
export function findAnswerTokens(tokenizer: Tokenizer): AnswerTokens {
  const [yes, no] = [' Yes', ' No'].map((text) => tokenizer.encode(text, { bos: false, dummyPrefix: false })) as [
    number[],
    number[],
  ];
  let common = 0;
  while (common < Math.min(yes.length, no.length) && yes[common] === no[common]) common++;
  const [yesToken, noToken] = [yes[common], no[common]];
  if (yesToken === undefined || noToken === undefined) {
    throw new InputError('the tokenizer cannot tell " Yes" from " No"; another tokenizer is needed');
  }
  return { prefix: Int32Array.from(yes.slice(0, common)), yes: yesToken, no: noToken };
}
