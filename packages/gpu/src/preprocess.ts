// The few directives that keep WGSL files readable: include, if, for and ${expressions} over named constants.
import { InputError } from './errors';

/** Value of a named constant of a WGSL text. */
export type Constant = number | boolean;
/** Constants by name. */
export type Constants = Readonly<Record<string, Constant>>;

/**
 * Expands the directives of a WGSL text. Each stands alone on its line:
 *
 * - `#include NAME` inserts `includes[NAME]` (once; a second include of the same name is dropped).
 * - `#if EXPR` … `#else` … `#endif` keeps one branch.
 * - `#for NAME in FIRST..END` … `#endfor` repeats its lines for NAME = FIRST … END − 1.
 * - `${EXPR}` anywhere in a line becomes the value of the expression.
 *
 * Expressions are integer arithmetic and comparisons over constants and loop variables.
 *
 * @throws InputError naming the kernel and line of a malformed directive.
 */
export function preprocess(
  name: string,
  source: string,
  constants: Constants,
  includes: Readonly<Record<string, string>> = {},
): string {
  const included = new Set<string>();
  const output: string[] = [];

  const fail = (line: number, message: string): never => {
    throw new InputError(`${name}.wgsl:${line + 1}: ${message}`);
  };

  /** Index of the directive that closes the block opened at `start`, and of its `#else` if there is one. */
  const findEnd = (lines: string[], start: number, open: string, close: string): { end: number; otherwise: number } => {
    let depth = 0;
    let otherwise = -1;
    for (let i = start + 1; i < lines.length; i++) {
      const word = directive(lines[i]!);
      if (word === open) depth++;
      else if (word === close) {
        if (depth === 0) return { end: i, otherwise };
        depth--;
      } else if (word === '#else' && open === '#if' && depth === 0) otherwise = i;
    }
    return fail(start, `${open} has no ${close}`);
  };

  const expand = (lines: string[], first: number, end: number, scope: Record<string, Constant>): void => {
    for (let i = first; i < end; i++) {
      const line = lines[i]!;
      const word = directive(line);
      const rest = word ? line.trim().slice(word.length).trim() : '';
      if (word === '#include') {
        const text = includes[rest] ?? fail(i, `nothing to include under the name "${rest}"`);
        if (included.has(rest)) continue;
        included.add(rest);
        const inner = text.split('\n');
        expand(inner, 0, inner.length, scope);
      } else if (word === '#if') {
        const block = findEnd(lines, i, '#if', '#endif');
        if (Number(evaluate(rest, scope, (m) => fail(i, m))) !== 0) {
          expand(lines, i + 1, block.otherwise < 0 ? block.end : block.otherwise, scope);
        } else if (block.otherwise >= 0) expand(lines, block.otherwise + 1, block.end, scope);
        i = block.end;
      } else if (word === '#for') {
        const match = /^(\w+)\s+in\s+(.+?)\.\.(.+)$/.exec(rest) ?? fail(i, 'expected "#for NAME in FIRST..END"');
        const block = findEnd(lines, i, '#for', '#endfor');
        const [from, to] = [match[2]!, match[3]!].map((text) => evaluate(text, scope, (m) => fail(i, m)));
        for (let value = from!; value < to!; value++) {
          expand(lines, i + 1, block.end, { ...scope, [match[1]!]: value });
        }
        i = block.end;
      } else if (word) {
        fail(i, `unexpected ${word}`);
      } else {
        output.push(line.replace(/\$\{([^}]*)\}/g, (_, text: string) => `${evaluate(text, scope, (m) => fail(i, m))}`));
      }
    }
  };

  const lines = source.split('\n');
  expand(lines, 0, lines.length, { ...constants });
  return output.join('\n');
}

function directive(line: string): string | null {
  return /^\s*(#\w+)/.exec(line)?.[1] ?? null;
}

const precedence: Readonly<Record<string, number>> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 4,
  '<=': 4,
  '>': 4,
  '>=': 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
};

/** Evaluates an integer expression by precedence climbing. Division truncates, comparisons give 0 or 1. */
function evaluate(text: string, scope: Constants, fail: (message: string) => never): number {
  const tokens = text.match(/\d+(?:\.\d+)?|\w+|\|\||&&|[=!<>]=|[-+*/%()<>!]/g) ?? [];
  if (tokens.join('') !== text.replace(/\s+/g, '')) fail(`cannot read the expression "${text}"`);
  let position = 0;

  const primary = (): number => {
    const token = tokens[position++];
    if (token === undefined) return fail(`the expression "${text}" ends too early`);
    if (token === '(') {
      const value = climb(0);
      if (tokens[position++] !== ')') fail(`a ")" is missing in "${text}"`);
      return value;
    }
    if (token === '-') return -primary();
    if (token === '!') return primary() === 0 ? 1 : 0;
    if (/^\d/.test(token)) return Number(token);
    const value = scope[token];
    if (value === undefined) return fail(`unknown constant "${token}" in "${text}"`);
    return Number(value);
  };

  const apply = (operator: string, a: number, b: number): number => {
    switch (operator) {
      case '||':
        return a !== 0 || b !== 0 ? 1 : 0;
      case '&&':
        return a !== 0 && b !== 0 ? 1 : 0;
      case '==':
        return Number(a === b);
      case '!=':
        return Number(a !== b);
      case '<':
        return Number(a < b);
      case '<=':
        return Number(a <= b);
      case '>':
        return Number(a > b);
      case '>=':
        return Number(a >= b);
      case '+':
        return a + b;
      case '-':
        return a - b;
      case '*':
        return a * b;
      case '/':
        return Math.trunc(a / b);
      default:
        return a % b;
    }
  };

  const climb = (minimum: number): number => {
    let left = primary();
    for (;;) {
      const operator = tokens[position];
      const level = operator === undefined ? undefined : precedence[operator];
      if (operator === undefined || level === undefined || level <= minimum) return left;
      position++;
      left = apply(operator, left, climb(level));
    }
  };

  const value = climb(0);
  if (position !== tokens.length) fail(`unexpected "${tokens[position]}" in "${text}"`);
  return value;
}
