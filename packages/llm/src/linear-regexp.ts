/** A regular expression whose matching takes time in proportion to the text, whatever the pattern. */

import { InputError } from '@crossgate/tensor';
import { type AST, RegExpParser } from '@eslint-community/regexpp';

/** The most steps that a pattern may have; counted repetitions are written out. */
const mostSteps = 20_000;
/** The most pairs of step and place that are remembered for a text: 64 MiB of bits. */
const mostPairs = 2 ** 29;

/** A step of a program. What follows a step is the next one, unless it says where to go on. */
type Step =
  | { readonly kind: 'character'; readonly matches: (character: string) => boolean }
  /** Tries the first place, then the second. */
  | { readonly kind: 'split'; first: number; second: number }
  | { readonly kind: 'jump'; to: number }
  | { readonly kind: 'edge'; readonly edge: AST.EdgeAssertion | AST.WordBoundaryAssertion }
  | { readonly kind: 'look'; readonly body: Program; readonly negated: boolean; readonly behind: number | null }
  | { readonly kind: 'match' };

interface Program {
  readonly steps: readonly Step[];
  /** Whether a repetition may come back to a step without a character between. */
  readonly hasEmptyLoop: boolean;
}

/** What the pattern holds that is not supported. */
function refuse(problem: string): never {
  throw new InputError(problem, { code: 'tokenizer.invalid' });
}

/** How many characters a part of a pattern matches, where it is always the same number; else null. */
export function lengthOf(node: AST.Alternative | AST.Element): number | null {
  switch (node.type) {
    case 'Alternative':
      return node.elements.reduce<number | null>((sum, part) => {
        const length = lengthOf(part);
        return sum === null || length === null ? null : sum + length;
      }, 0);
    case 'Group':
    case 'CapturingGroup': {
      const lengths = new Set(node.alternatives.map(lengthOf));
      return lengths.size === 1 ? [...lengths][0]! : null;
    }
    case 'Quantifier': {
      const length = node.min === node.max ? lengthOf(node.element) : null;
      return length === null ? null : length * node.min;
    }
    case 'Assertion':
      return 0;
    case 'Character':
    case 'CharacterClass':
    case 'CharacterSet':
      return 1;
    default:
      return null;
  }
}

/** Whether a part may match no character. */
function mayBeEmpty(node: AST.Alternative | AST.Element): boolean {
  switch (node.type) {
    case 'Alternative':
      return node.elements.every(mayBeEmpty);
    case 'Group':
    case 'CapturingGroup':
      return node.alternatives.some(mayBeEmpty);
    case 'Quantifier':
      return node.min === 0 || mayBeEmpty(node.element);
    default:
      return node.type === 'Assertion';
  }
}

/** Writes a pattern as steps. */
class Compiler {
  readonly steps: Step[] = [];
  #hasEmptyLoop = false;

  constructor(private readonly flags: string) {}

  program(alternatives: readonly AST.Alternative[]): Program {
    this.#choice(alternatives);
    this.#add({ kind: 'match' });
    return { steps: this.steps, hasEmptyLoop: this.#hasEmptyLoop };
  }

  #add(step: Step): number {
    if (this.steps.length >= mostSteps) refuse('a pattern is too large');
    return this.steps.push(step) - 1;
  }

  #choice(alternatives: readonly AST.Alternative[]): void {
    const ends: { kind: 'jump'; to: number }[] = [];
    for (const [index, { elements }] of alternatives.entries()) {
      const isLast = index === alternatives.length - 1;
      const split = { kind: 'split' as const, first: this.steps.length + 1, second: 0 };
      if (!isLast) this.#add(split);
      for (const element of elements) this.#element(element);
      if (isLast) break;
      const end = { kind: 'jump' as const, to: 0 };
      this.#add(end);
      ends.push(end);
      split.second = this.steps.length;
    }
    for (const end of ends) end.to = this.steps.length;
  }

  #element(element: AST.Element): void {
    switch (element.type) {
      case 'Group':
      case 'CapturingGroup':
        this.#choice(element.alternatives);
        return;
      case 'Quantifier':
        this.#repetition(element);
        return;
      case 'Assertion':
        this.#assertion(element);
        return;
      case 'Character':
      case 'CharacterClass':
      case 'CharacterSet':
        this.#add({ kind: 'character', matches: characterTest(element.raw, this.flags) });
        return;
      default:
        refuse(`a pattern has ${element.raw}, which is not supported`);
    }
  }

  #repetition({ min, max, greedy, element }: AST.Quantifier): void {
    const branch = () => {
      const split = { kind: 'split' as const, first: this.steps.length + 1, second: 0 };
      this.#add(split);
      return (after: number) => {
        if (greedy) split.second = after;
        else [split.first, split.second] = [after, split.first];
      };
    };
    for (let copy = 0; copy < min; copy++) this.#element(element);
    if (max === Number.POSITIVE_INFINITY) {
      this.#hasEmptyLoop ||= mayBeEmpty(element);
      const start = this.steps.length;
      const leave = branch();
      this.#element(element);
      this.#add({ kind: 'jump', to: start });
      leave(this.steps.length);
      return;
    }
    const leaves = Array.from({ length: max - min }, () => {
      const leave = branch();
      this.#element(element);
      return leave;
    });
    for (const leave of leaves) leave(this.steps.length);
  }

  #assertion(assertion: AST.Assertion): void {
    if (assertion.kind !== 'lookahead' && assertion.kind !== 'lookbehind') {
      this.#add({ kind: 'edge', edge: assertion });
      return;
    }
    const { alternatives, negate: negated } = assertion;
    const isBehind = assertion.kind === 'lookbehind';
    if (!isBehind) {
      const body = new Compiler(this.flags).program(alternatives);
      this.#add({ kind: 'look', body, negated, behind: null });
      return;
    }
    // Alternatives of different lengths are looked for one after another.
    const looks = alternatives.map((alternative): Step => {
      const behind = lengthOf(alternative);
      if (behind === null) return refuse(`a pattern looks back by ${assertion.raw}, which has no one length`);
      return { kind: 'look', body: new Compiler(this.flags).program([alternative]), negated, behind };
    });
    if (negated) for (const look of looks) this.#add(look);
    else if (looks.length === 1) this.#add(looks[0]!);
    else refuse(`a pattern looks back by ${assertion.raw}, which has several alternatives`);
  }
}

/** Whether one character is matched by a part of a pattern that matches one. */
function characterTest(raw: string, flags: string): (character: string) => boolean {
  const pattern = new RegExp(`^(?:${raw})$`, flags.replaceAll(/[gmy]/g, ''));
  const known = new Map<string, boolean>();
  return (character) => {
    let answer = known.get(character);
    if (answer === undefined) {
      answer = pattern.test(character);
      if (known.size < 4096) known.set(character, answer);
    }
    return answer;
  };
}

/** One text with what did not match in it: a step that failed at a place fails there again. */
class Search {
  readonly #failed: Uint8Array;
  readonly #looks = new Map<Program, Search>();

  constructor(
    readonly program: Program,
    readonly characters: readonly string[],
    private readonly isMultiline: boolean,
  ) {
    const pairs = program.steps.length * (characters.length + 1);
    if (pairs > mostPairs) refuse(`a text of ${characters.length} characters is too long for a pattern`);
    this.#failed = new Uint8Array(Math.ceil(pairs / 8));
  }

  /** Where a match that begins at a place ends, or -1. The first way that leads to a match counts. */
  end(start: number): number {
    const { characters } = this;
    const { steps, hasEmptyLoop } = this.program;
    const width = characters.length + 1;
    /** What is left to try, the next one last: step, place, and how many pairs had been tried. */
    const left = [0, start, 0];
    /** Pairs tried that may still lead to a match. */
    const tried: number[] = [];
    while (left.length > 0) {
      const before = left.pop()!;
      let place = left.pop()!;
      let at = left.pop()!;
      // All that came since has failed for good, unless it led back to what is being tried.
      if (!hasEmptyLoop) tried.length = before;
      for (;;) {
        const pair = at * width + place;
        const bit = 1 << (pair & 7);
        if ((this.#failed[pair >>> 3]! & bit) !== 0) break;
        this.#failed[pair >>> 3]! |= bit;
        tried.push(pair);
        const step = steps[at]!;
        if (step.kind === 'match') {
          for (const each of tried) this.#failed[each >>> 3]! &= ~(1 << (each & 7));
          return place;
        }
        if (step.kind === 'split') {
          left.push(step.second, place, tried.length);
          at = step.first;
        } else if (step.kind === 'jump') at = step.to;
        else if (step.kind === 'character') {
          if (place >= characters.length || !step.matches(characters[place]!)) break;
          at++;
          place++;
        } else if (this.#holds(step, place)) at++;
        else break;
      }
    }
    return -1;
  }

  #holds(step: Extract<Step, { kind: 'edge' | 'look' }>, place: number): boolean {
    const { characters } = this;
    if (step.kind === 'look') {
      let search = this.#looks.get(step.body);
      if (!search) {
        search = new Search(step.body, characters, this.isMultiline);
        this.#looks.set(step.body, search);
      }
      const from = place - (step.behind ?? 0);
      const isFound = from >= 0 && search.end(from) >= 0;
      return isFound !== step.negated;
    }
    const { edge } = step;
    const isWord = (at: number) => /^\w$/.test(characters[at] ?? '');
    const isBreak = (at: number) => /^[\n\r\u2028\u2029]$/.test(characters[at] ?? '');
    switch (edge.kind) {
      case 'start':
        return place === 0 || (this.isMultiline && isBreak(place - 1));
      case 'end':
        return place === characters.length || (this.isMultiline && isBreak(place));
      case 'word':
        return (isWord(place - 1) !== isWord(place)) !== edge.negate;
    }
  }
}

/** The text of the last search, by code points: a search goes on from match to match. */
interface LastText {
  readonly text: string;
  readonly search: Search;
  /** [characters + 1] where each begins in the text. */
  readonly offsets: Uint32Array;
}

/**
 * A `RegExp` that tries no step twice at one place of a text: its time grows with the length of the text, or with the
 * square where it looks ahead without end, and never faster. It finds what the built-in one does, but slower; groups are
 * not captured.
 */
export class LinearRegExp extends RegExp {
  readonly #program: Program;
  #last: LastText | undefined;

  /** @throws InputError for references to groups, for looking back by parts without one length, and for giant patterns */
  constructor(pattern: RegExp | string, flags?: string) {
    super(pattern, flags);
    if (pattern instanceof LinearRegExp) {
      this.#program = pattern.#program;
      return;
    }
    if (!this.unicode) refuse('a pattern without the flag u is not supported');
    const { alternatives } = new RegExpParser().parsePattern(this.source, 0, this.source.length, {
      unicode: true,
    });
    this.#program = new Compiler(this.flags).program(alternatives);
  }

  override exec(text: string): RegExpExecArray | null {
    const { search, offsets } = this.#searchOf(text);
    const isStateful = this.global || this.sticky;
    const wanted = isStateful ? this.lastIndex : 0;
    let start = placeOf(offsets, wanted);
    for (; wanted <= text.length && start < offsets.length; start++) {
      const end = search.end(start);
      if (end < 0) {
        if (this.sticky) break;
        continue;
      }
      const [index, last] = [offsets[start]!, offsets[end]!];
      if (isStateful) this.lastIndex = last;
      const found: [string] = [text.slice(index, last)];
      return Object.assign(found, { index, input: text });
    }
    if (isStateful) this.lastIndex = 0;
    return null;
  }

  #searchOf(text: string): LastText {
    if (this.#last?.text === text) return this.#last;
    const characters = [...text];
    const offsets = new Uint32Array(characters.length + 1);
    for (const [at, { length }] of characters.entries()) offsets[at + 1] = offsets[at]! + length;
    this.#last = { text, offsets, search: new Search(this.#program, characters, this.multiline) };
    return this.#last;
  }
}

/** The first character that begins at an index of the text or behind it. */
function placeOf(offsets: Uint32Array, index: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (offsets[middle]! < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
