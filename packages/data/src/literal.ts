/** Values as JSON and Python write them: NaN, Infinity, None, True, single quotes, trailing commas, tuples. */

/** What is wrong with a text, and where in it. */
export class LiteralError extends Error {
  /** @param at index of the character that cannot be read */
  constructor(
    problem: string,
    readonly at: number,
  ) {
    super(problem);
  }
}

/** Deeper values are no rows of a data set, and would overflow the stack. */
const deepest = 200;

const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['null', null],
  ['None', null],
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['NaN', Number.NaN],
  ['nan', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['inf', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
]);

const escapes: Readonly<Record<string, string>> = {
  ...{ '"': '"', "'": "'", '\\': '\\', '/': '/', '\n': '' },
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
};

const blank = /\s*/y;
const number = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])/y;
const word = /-?[A-Za-z_][\w.]*/y;
const plain = { '"': /[^"\\\n]+/y, "'": /[^'\\\n]+/y } as const;
const coded = /x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})/y;

/**
 * Reads one value.
 *
 * @returns the value: tuples and lists as arrays, None as null.
 * @throws LiteralError for what is neither JSON nor a plain value of Python, such as the call `Timestamp(…)`.
 */
export function parseLiteral(text: string): unknown {
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  const skip = () => void match(blank);
  const fail = (problem: string): never => {
    throw new LiteralError(at >= text.length ? 'it ends too early' : problem, at);
  };
  const unexpected = () => fail(`${JSON.stringify(text.slice(at, at + 20))} is no value`);

  const quoted = (): string => {
    const quote = text[at++] as '"' | "'";
    let value = '';
    for (;;) {
      value += match(plain[quote])?.[0] ?? '';
      const next = text[at];
      if (next === quote) {
        at++;
        return value;
      }
      if (next !== '\\') return fail('a text in quotes does not end on its line');
      at++;
      const code = match(coded);
      if (code !== null) {
        const point = code[4] === undefined ? Number.parseInt((code[1] ?? code[2] ?? code[3]) as string, 16) : null;
        if (point !== null && point > 0x10ffff) fail('an escape is beyond Unicode');
        value += point === null ? String.fromCharCode(Number.parseInt(code[4] as string, 8)) : textOf(point);
        continue;
      }
      const escaped = text[at] ?? fail('');
      // Python keeps the backslash of an escape that there is not.
      value += escapes[escaped] ?? `\\${escaped}`;
      at++;
    }
  };

  const list = (close: string, depth: number): unknown[] => {
    const values: unknown[] = [];
    at++;
    for (skip(); text[at] !== close; skip()) {
      values.push(value(depth));
      skip();
      if (text[at] === ',') at++;
      else if (text[at] !== close) fail(`a comma or ${close} is missing`);
    }
    at++;
    return values;
  };

  const mapping = (depth: number): Readonly<Record<string, unknown>> => {
    const entries: [string, unknown][] = [];
    at++;
    for (skip(); text[at] !== '}'; skip()) {
      const start = at;
      const key = value(depth);
      skip();
      if (text[at] !== ':') fail('a colon is missing after a key');
      if (typeof key !== 'string' && typeof key !== 'number') {
        at = start;
        fail('a key must be a text');
      }
      at++;
      entries.push([String(key), value(depth)]);
      skip();
      if (text[at] === ',') at++;
      else if (text[at] !== '}') fail('a comma or } is missing');
    }
    at++;
    return Object.fromEntries(entries);
  };

  const value = (depth: number): unknown => {
    if (depth > deepest) fail(`values lie more than ${deepest} deep in one another`);
    skip();
    const next = text[at];
    if (next === '{') return mapping(depth + 1);
    if (next === '[') return list(']', depth + 1);
    if (next === '(') return list(')', depth + 1);
    if (next === '"' || next === "'") return quoted();
    if ((next === 'u' || next === 'U') && /["']/.test(text[at + 1] ?? '')) {
      at++;
      return quoted();
    }
    const digits = match(number);
    if (digits !== null) return Number(digits[0]);
    const start = at;
    const name = match(word)?.[0];
    if (name !== undefined && words.has(name)) return words.get(name);
    const isCall = name !== undefined && text[at] === '(';
    at = start;
    return isCall ? fail(`${name}(…) is an object of Python, not a plain value`) : unexpected();
  };

  const result = value(0);
  skip();
  if (at < text.length) fail('there is more after the value');
  return result;
}

/** UTF-16 of a code point; a lone half of a surrogate pair stays as it is, for the other half that follows. */
function textOf(point: number): string {
  return point <= 0xffff ? String.fromCharCode(point) : String.fromCodePoint(point);
}
