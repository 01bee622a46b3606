// Templates of prompts as text: which pieces a filled one has. Tokens are made of them in prompt.ts.
import { InputError } from '@crossgate/core';
import type { Slots } from './methods/method';

/** What a prompt is made from. Items by dense id, the history oldest first. */
export interface PromptInput {
  readonly user: number;
  readonly item: number;
  readonly history: ArrayLike<number>;
  /** Further items, for slots of the titles of `neighbors`. */
  readonly neighbors?: ArrayLike<number>;
  /** What the CF model makes the user's vector of, where it is more than `history`; cut to `userHistoryLength` already. */
  readonly userHistory?: Int32Array;
}

/** What an entity at a position is. The number is what {@link Piece} and prompts hold; 0 stands for plain text. */
export const kinds = { text: 0, title: 1, item: 2, user: 3, learned: 4 } as const;
export type Kind = keyof typeof kinds;

/** A piece of a filled template. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  /** The title of an item; `fused` with its CF vector. `candidate`: it depends on what is scored. */
  | { readonly kind: 'title'; readonly id: number; readonly fused: boolean; readonly candidate: boolean }
  /** One vector of an item or a user. */
  | { readonly kind: 'item' | 'user'; readonly id: number; readonly candidate: boolean }
  /** Learned vectors, by their numbers from 1. */
  | { readonly kind: 'learned'; readonly first: number; readonly count: number };

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'titles'; readonly of: 'history' | 'item' | 'neighbors'; readonly fused: boolean }
  | { readonly kind: 'item' }
  | { readonly kind: 'user' }
  | { readonly kind: 'learned'; readonly first: number; readonly count: number };

/** A template whose slots are known. */
export class Template {
  readonly #parts: readonly Part[];

  /**
   * @param text with slots in braces; `{nouns}` and `{noun}` are filled before, see `fillNoun`.
   * @param slots what fills each; a slot that the text leaves out is not filled.
   * @throws InputError for a slot that nothing fills, and for a text without anything of the candidate.
   */
  constructor(text: string, slots: Slots) {
    this.#parts = text
      .split(/\{(\w+)\}/)
      .map((part, i): Part => (i % 2 === 0 ? { kind: 'text', text: part } : partOf(part, slots)))
      .filter((part) => part.kind !== 'text' || part.text !== '');
    const names = (part: Part) => part.kind === 'item' || (part.kind === 'titles' && part.of === 'item');
    if (!this.#parts.some(names)) {
      throw new InputError('it has no {item} slot: the prompt would not say what to predict', {
        place: 'prompt.template',
      });
    }
  }

  /**
   * The filled template. Neighboring text is one piece, so that it is tokenized as a whole.
   * @param length how many of the last items of the history it names
   */
  pieces({ user, item, history, neighbors = [] }: PromptInput, length: number): Piece[] {
    const pieces: Piece[] = [];
    const text = (value: string) => {
      const last = pieces.at(-1);
      if (last?.kind === 'text') pieces[pieces.length - 1] = { kind: 'text', text: last.text + value };
      else pieces.push({ kind: 'text', text: value });
    };
    const quoted = (id: number, fused: boolean, candidate = false) => {
      text('"');
      pieces.push({ kind: 'title', id, fused, candidate });
      text('"');
    };
    const list = (ids: ArrayLike<number>, from: number, fused: boolean) => {
      if (from >= ids.length) text('unknown');
      for (let i = from; i < ids.length; i++) {
        if (i > from) text(', ');
        quoted(ids[i]!, fused);
      }
    };
    for (const part of this.#parts) {
      if (part.kind === 'text') text(part.text);
      else if (part.kind === 'learned') pieces.push(part);
      else if (part.kind === 'user') pieces.push({ kind: 'user', id: user, candidate: false });
      else if (part.kind === 'item') pieces.push({ kind: 'item', id: item, candidate: true });
      else if (part.of === 'item') quoted(item, part.fused, true);
      else if (part.of === 'neighbors') list(neighbors, 0, part.fused);
      else list(history, history.length - length, part.fused);
    }
    return pieces;
  }

  /**
   * The prompt in words: titles as they are, vectors in brackets. A template without vectors gives what an LLM of others reads.
   * @param titleOf of a dense id
   */
  text(input: PromptInput, historyLength: number, titleOf: (id: number) => string): string {
    return this.pieces(input, Math.min(historyLength, input.history.length))
      .map((piece) => {
        if (piece.kind === 'text') return piece.text;
        if (piece.kind === 'title') return titleOf(piece.id);
        if (piece.kind === 'learned') return `[Learned ${piece.first} to ${piece.first + piece.count - 1}]`;
        return `[${piece.kind === 'user' ? 'User' : 'Item'} ${piece.id}]`;
      })
      .join('');
  }
}

/** What a slot of a template becomes. @throws InputError for a slot that nothing fills */
function partOf(name: string, slots: Slots): Part {
  const slot = Object.hasOwn(slots, name) ? slots[name] : undefined;
  if (slot === undefined) {
    const known = Object.keys(slots).map((each) => `{${each}}`);
    throw new InputError(`nothing fills the slot {${name}} in this method`, {
      place: 'prompt.template',
      fix: `there are ${known.join(', ')}`,
    });
  }
  if ('vector' in slot) return slot.vector === 'user' ? { kind: 'user' } : { kind: 'item' };
  if ('titles' in slot) return { kind: 'titles', of: slot.titles, fused: slot.fused === true };
  // Learned vectors are numbered from 1 in the order of the slots, whichever of them a template has.
  let first = 1;
  for (const [other, { learned = 0 }] of Object.entries(slots as Record<string, { learned?: number }>)) {
    if (other === name) break;
    first += learned;
  }
  return { kind: 'learned', first, count: slot.learned };
}
