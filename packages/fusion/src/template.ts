// Templates of prompts as text, and the pieces of a filled one. prompt.ts makes tokens of them.
import { InputError } from '@crossgate/core';
import { nounSlots, type Slots } from './methods/method';

/** What a prompt is made from. */
export interface PromptInput {
  /** Dense id of the user. */
  readonly user: number;
  /** Dense id of the candidate, the item to predict. */
  readonly item: number;
  /** Dense ids of items that the user liked before, oldest first. */
  readonly history: ArrayLike<number>;
  /** Dense ids of further items, for slots with the titles of `neighbors`. Default: none. */
  readonly neighbors?: ArrayLike<number>;
  /** Whether the neighbors depend on the candidate. Default false. */
  readonly neighborsVary?: boolean;
  /**
   * What the CF model makes the user's vector of, where it is more than `history`; cut to `userHistoryLength` already.
   */
  readonly userHistory?: Int32Array;
}

/**
 * Kinds of entities, by the numbers that prompts hold: 0 plain text, 1 a token of a fused title, 2 one vector of an
 * item, 3 one vector of a user, 4 a learned vector.
 */
export const kinds = { text: 0, title: 1, item: 2, user: 3, learned: 4 } as const;
/** Name of a kind of entity: see {@link kinds}. */
export type Kind = keyof typeof kinds;

/** A piece of a filled template. */
export type Piece =
  /** `data`: from where to where it holds what is not the template's own; control tokens that this spells are text. */
  | { readonly kind: 'text'; readonly text: string; readonly data?: readonly (readonly [number, number])[] }
  /** The title of an item; `fused`: with its CF vector; `candidate`: it is the item to predict. */
  | { readonly kind: 'title'; readonly id: number; readonly fused: boolean; readonly candidate: boolean }
  /** One aligned CF vector of an item or a user. */
  | { readonly kind: 'item' | 'user'; readonly id: number; readonly candidate: boolean }
  /** Consecutive learned vectors, numbered from 1. */
  | { readonly kind: 'learned'; readonly first: number; readonly count: number };

type Part =
  | { readonly kind: 'text'; readonly text: string; readonly isData: boolean }
  | { readonly kind: 'titles'; readonly of: 'history' | 'item' | 'neighbors'; readonly fused: boolean }
  | { readonly kind: 'item' }
  | { readonly kind: 'user' }
  | { readonly kind: 'learned'; readonly first: number; readonly count: number };

/** A template, split into text and slots, and checked against the slots of its method. */
export class Template {
  readonly #parts: readonly Part[];

  /**
   * @param text with slots in braces.
   * @param slots what fills each slot; the text may leave slots out.
   * @param nouns what `{nouns}` and `{noun}` become, see {@link nounSlots}; default: they are filled already.
   * @throws InputError for a slot that nothing fills, and for a text without any slot of the candidate.
   */
  constructor(text: string, slots: Slots, nouns?: string) {
    const words = nouns === undefined ? {} : nounSlots(nouns);
    this.#parts = text
      .split(/\{(\w+)\}/)
      .map((part, i): Part => {
        if (i % 2 === 0) return { kind: 'text', text: part, isData: false };
        const noun = Object.hasOwn(words, part) ? words[part] : undefined;
        return noun === undefined ? partOf(part, slots) : { kind: 'text', text: noun, isData: true };
      })
      .filter((part) => part.kind !== 'text' || part.text !== '');
    const names = (part: Part) => part.kind === 'item' || (part.kind === 'titles' && part.of === 'item');
    if (!this.#parts.some(names)) {
      throw new InputError('it has no {item} slot: the prompt would not say what to predict', {
        code: 'config.value',
        place: 'prompt.template',
        fix: 'add it',
      });
    }
  }

  /**
   * The filled template. Adjacent texts are one piece, so that they are tokenized as a whole. An empty list of titles
   * reads `unknown`.
   *
   * @param length number of history items that it names, the last ones.
   */
  pieces({ user, item, history, neighbors = [], neighborsVary = false }: PromptInput, length: number): Piece[] {
    const pieces: Piece[] = [];
    const text = (value: string, isData = false) => {
      const last = pieces.at(-1);
      const before = last?.kind === 'text' ? last : { text: '', data: [] };
      if (last?.kind === 'text') pieces.pop();
      const start = before.text.length;
      const data = [...(before.data ?? []), ...(isData ? [[start, start + value.length] as const] : [])];
      pieces.push({ kind: 'text', text: before.text + value, ...(data.length > 0 && { data }) });
    };
    const quoted = (id: number, fused: boolean, candidate = false) => {
      text('"');
      pieces.push({ kind: 'title', id, fused, candidate });
      text('"');
    };
    const list = (ids: ArrayLike<number>, from: number, fused: boolean, candidate = false) => {
      if (from >= ids.length) text('unknown');
      for (let i = from; i < ids.length; i++) {
        if (i > from) text(', ');
        quoted(ids[i]!, fused, candidate);
      }
    };
    for (const part of this.#parts) {
      if (part.kind === 'text') text(part.text, part.isData);
      else if (part.kind === 'learned') pieces.push(part);
      else if (part.kind === 'user') pieces.push({ kind: 'user', id: user, candidate: false });
      else if (part.kind === 'item') pieces.push({ kind: 'item', id: item, candidate: true });
      else if (part.of === 'item') quoted(item, part.fused, true);
      else if (part.of === 'neighbors') list(neighbors, 0, part.fused, neighborsVary);
      else list(history, history.length - length, part.fused);
    }
    return pieces;
  }

  /**
   * The prompt in words: titles as they are, vectors in brackets. Without vectors, this is what any other language
   * model would read.
   *
   * @param historyLength most history items that it names.
   * @param titleOf gives the title of a dense id.
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
      code: 'config.value',
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
