/** Which patterns of a tokenizer the built-in engine may match: those on which it cannot run without end. */
import { type AST, RegExpParser } from '@eslint-community/regexpp';
import { LinearRegExp, lengthOf } from './linear-regexp';

/** In more ways than these a branch takes long to fail. */
const mostWays = 64;

/** In how many ways a part of fixed length may match at a place; null for one that is not fixed. */
function waysOfFixed(node: AST.Alternative | AST.Element): number | null {
  if (lengthOf(node) === null && node.type !== 'Group' && node.type !== 'CapturingGroup') return null;
  switch (node.type) {
    case 'Alternative':
      return product(node.elements.map(waysOfFixed));
    case 'Group':
    case 'CapturingGroup': {
      const ways = node.alternatives.map(waysOfFixed);
      return ways.includes(null) ? null : ways.reduce<number>((sum, way) => sum + way!, 0);
    }
    case 'Quantifier':
      return isOne(node.element) ? 1 : null;
    case 'Assertion':
      if (node.kind !== 'lookahead' && node.kind !== 'lookbehind') return 1;
      return product(node.alternatives.map(waysOfFixed));
    default:
      return 1;
  }
}

const isOne = ({ type }: AST.Element) => type === 'Character' || type === 'CharacterClass' || type === 'CharacterSet';

const product = (ways: readonly (number | null)[]): number | null =>
  ways.reduce<number | null>((all, way) => (all === null || way === null ? null : all * way), 1);

/**
 * Whether the built-in engine takes at most the square of the text's length for a branch of a pattern: single characters
 * and fixed parts, of which at most two are repeated without end; behind the second, nothing can fail.
 */
function isPlain({ elements }: AST.Alternative): boolean {
  let [loops, ways] = [0, 1];
  for (const element of elements) {
    const isQuantified = element.type === 'Quantifier';
    const inner = isQuantified ? element.element : element;
    if (isQuantified && element.max === Number.POSITIVE_INFINITY) {
      if (!isOne(inner) || ++loops > 2) return false;
      continue;
    }
    const fixed = waysOfFixed(inner);
    if (fixed === null || (isQuantified && element.max > 1 && !isOne(inner))) return false;
    ways *= fixed + (isQuantified ? element.max - element.min : 0);
    if (ways > mostWays || (loops === 2 && !(isQuantified && element.min === 0))) return false;
  }
  return true;
}

/** A pattern as it is, where the built-in engine is known to be fast with it; else one that is never slow. */
export function boundedPattern(pattern: RegExp): RegExp {
  if (pattern instanceof LinearRegExp) return pattern;
  const { source, unicode } = pattern;
  const { alternatives } = new RegExpParser().parsePattern(source, 0, source.length, { unicode });
  return alternatives.every(isPlain) ? pattern : new LinearRegExp(pattern);
}

/** Replaces the patterns in the steps of a tokenizer by {@link boundedPattern}, in place. */
export function boundPatterns(step: unknown, seen = new Set<unknown>()): void {
  if ((typeof step !== 'object' && typeof step !== 'function') || step === null || seen.has(step)) return;
  seen.add(step);
  for (const [key, value] of Object.entries(step)) {
    if (value instanceof RegExp) (step as Record<string, unknown>)[key] = boundedPattern(value);
    else boundPatterns(value, seen);
  }
}
