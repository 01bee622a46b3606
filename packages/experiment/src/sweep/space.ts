/** What a sweep searches: values of keys as `--grid` lists them, and values and ranges as `--random` gives them. */
import { InputError } from '@crossgate/core';
import { configJsonSchema, type JsonSchema } from '../config/schema';

/** The option that gave a key. */
export type SweepOption = '--grid' | '--random';

/** A key that is searched. */
export interface SweepKey {
  /** Dotted path, such as `cf.learningRate`. */
  readonly key: string;
  /** What messages name. */
  readonly option: SweepOption;
  /** The values, as the text of `--set`, in the order given; null: a range. */
  readonly values: readonly string[] | null;
  /** Both ends belong to it; null: a list of values. */
  readonly range: SweepRange | null;
}

/** Numbers between two ends. */
export interface SweepRange {
  /** Smallest value. */
  readonly low: number;
  /** Largest value. */
  readonly high: number;
  /** Whether values are uniform by their logarithm. */
  readonly log: boolean;
  /** Whether values are whole, as the key wants them. */
  readonly whole: boolean;
}

/** Keys that a sweep sets itself, or that only name things. */
const OWN_KEYS: Readonly<Record<string, string>> = {
  name: 'it names runs, and changes nothing in them',
  'evaluation.splits': 'a sweep scores valid alone; --test scores the test split, of the best trial',
  'evaluation.testRows': 'a sweep scores valid alone',
};

/** The rules in one line each, for the help of commands. */
export const SPACE_RULES = {
  grid: 'values with commas; every combination is tried',
  random: 'LOW..HIGH, log:LOW..HIGH (uniform by logarithm), or values with |; each trial draws anew',
} as const;

const EXAMPLES: Readonly<Record<SweepOption, string>> = {
  '--grid': 'cf.learningRate=1e-3,1e-2',
  '--random': 'cf.learningRate=log:1e-4..1e-1',
};

const usage = (place: string, problem: string, fix: string) => new InputError(problem, { code: 'usage', place, fix });

/** Splits a text at a sign that stands in no bracket and no quote. */
function splitAt(text: string, sign: string): string[] {
  const parts = [''];
  let depth = 0;
  let quote = '';
  for (const character of text) {
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (depth > 0 && (character === '"' || character === "'")) quote = character;
    else if ('[{'.includes(character)) depth++;
    else if (']}'.includes(character)) depth--;
    if (character === sign && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}

/** Whether a key takes whole numbers only. */
function isWhole(key: string): boolean {
  let node: JsonSchema | undefined = configJsonSchema();
  for (const part of key.split('.')) node = node?.properties?.[part];
  const variants = (node?.anyOf as JsonSchema[] | undefined) ?? (node ? [node] : []);
  const types = variants.flatMap(({ type }) => (type === undefined ? [] : [type].flat()));
  return types.includes('integer') && !types.includes('number');
}

const NUMBER = String.raw`[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?`;
const RANGE = new RegExp(`^(log:)?(${NUMBER})\\.\\.(${NUMBER})$`);

function readRange(key: string, text: string, place: string): SweepRange | null {
  const found = RANGE.exec(text.trim());
  if (found === null) {
    if (!/^log:|\.\./.test(text) || text.includes('|')) return null;
    throw usage(place, `${text} is not a range`, 'write numbers as LOW..HIGH or log:LOW..HIGH');
  }
  const [low, high] = [Number(found[2]), Number(found[3])];
  const log = found[1] !== undefined;
  if (!(low < high)) throw usage(place, `${text} is empty: ${low} is not below ${high}`, 'exchange the two');
  if (log && low <= 0) throw usage(place, `${low} has no logarithm`, 'begin above 0, or leave out log:');
  const whole = isWhole(key);
  if (whole && !(Number.isSafeInteger(low) && Number.isSafeInteger(high)))
    throw usage(place, `${key} takes whole numbers`, 'give whole ends');
  return { low, high, log, whole };
}

/**
 * Reads one argument.
 * @param argument of `--grid`: `KEY=VALUE,VALUE`; of `--random`: `KEY=LOW..HIGH`, `KEY=log:LOW..HIGH` or `KEY=VALUE|VALUE`
 * @throws InputError naming the option and the key. Values are checked with the config, by `planTrials`
 */
export function readSweepKey(option: SweepOption, argument: string): SweepKey {
  const equals = argument.indexOf('=');
  const key = argument.slice(0, Math.max(0, equals));
  if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(key))
    throw usage(option, `${argument} names no key with values`, `write it like ${EXAMPLES[option]}`);
  const place = `${option} ${key}`;
  if (Object.hasOwn(OWN_KEYS, key)) throw usage(place, 'this key cannot be searched', OWN_KEYS[key]!);
  const text = argument.slice(equals + 1);
  const range = option === '--random' ? readRange(key, text, place) : null;
  if (range !== null) return { key, option, values: null, range };
  const values = splitAt(text, option === '--grid' ? ',' : '|').map((value) => value.trim());
  if (values.includes('')) throw usage(place, 'a value is empty', 'give one, or null for none');
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) throw usage(place, `${twice} stands there twice`, 'leave out one of them');
  if (option === '--random' && values.length < 2)
    throw usage(place, `${text} leaves nothing to draw`, 'give LOW..HIGH or values with |, or fix it with --set');
  return { key, option, values, range: null };
}

/**
 * Reads the arguments of `--grid` or of `--random`.
 * @throws InputError as {@link readSweepKey}, for none at all or both, and for a key that is given twice or fixed by `--set`
 */
export function readSweepSpace(given: {
  /** Arguments of `--grid`. */
  readonly grid?: readonly string[] | undefined;
  /** Arguments of `--random`. */
  readonly random?: readonly string[] | undefined;
  /** Arguments of `--set`: keys that all trials share. */
  readonly set?: readonly string[] | undefined;
}): SweepKey[] {
  const { grid = [], random = [], set = [] } = given;
  if (grid.length + random.length === 0)
    throw usage('sweep', 'nothing to search', `name keys, such as --grid ${EXAMPLES['--grid']}`);
  if (grid.length > 0 && random.length > 0)
    throw usage('--grid', 'does not go with --random', 'give all keys to --random, lists as values with |');
  const keys = [
    ...grid.map((argument) => readSweepKey('--grid', argument)),
    ...random.map((argument) => readSweepKey('--random', argument)),
  ];
  for (const [index, { key, option }] of keys.entries()) {
    if (keys.findIndex((other) => other.key === key) !== index)
      throw usage(`${option} ${key}`, 'is given twice', 'give all values at once');
    const fixed = set.map((argument) => argument.split('=', 1)[0]!).find((other) => overlaps(other, key));
    if (fixed !== undefined) throw usage(`${option} ${key}`, `--set ${fixed} fixes it`, 'leave out one of them');
    const within = keys.find((other) => other.key !== key && overlaps(other.key, key));
    if (within !== undefined)
      throw usage(`${option} ${key}`, `${within.key} is given too, and holds it`, 'leave out one of them');
  }
  return keys;
}

const overlaps = (a: string, b: string) => a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
