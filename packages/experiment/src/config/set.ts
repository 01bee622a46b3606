/** Reads `--set key=value`: the text after `=` is the value, read as what the key wants. */
import { InputError } from '@crossgate/core';
import { CST, Lexer } from 'yaml';
import type { JsonSchema } from './schema';
import { unshare } from './validate';
import { FORBIDDEN_KEYS, readYaml } from './yaml';

/** The rule in one line, for the help of commands. */
export const SET_RULE =
  'the text after = is the value as it stands; null: none; [a, b] or {a: 1} where the key wants a list or keys';

/** A value that `--set` gives. */
export interface SetValue {
  readonly keys: readonly string[];
  readonly value: unknown;
  /** What messages call it: `--set a.b`. */
  readonly place: string;
}

/** What a key takes. */
type Kind = 'text' | 'character' | 'number' | 'truth' | 'null' | 'list' | 'mapping';

const KINDS: Readonly<Record<string, Kind>> = {
  string: 'text',
  number: 'number',
  integer: 'number',
  boolean: 'truth',
  null: 'null',
  array: 'list',
  object: 'mapping',
};
const ANY: readonly Kind[] = ['text', 'number', 'truth', 'null', 'list', 'mapping'];

/** What a part of the schema takes; anything where it does not say, as the options of a registered model. */
function kindsOf(schema: JsonSchema | undefined): Set<Kind> {
  const variants = schema?.anyOf as JsonSchema[] | undefined;
  if (variants !== undefined) return new Set(variants.flatMap((variant) => [...kindsOf(variant)]));
  const types = [schema?.type ?? []].flat() as string[];
  if (types.length === 0) return new Set(ANY);
  return new Set(types.map((type) => (type === 'string' && schema?.maxLength === 1 ? 'character' : KINDS[type]!)));
}

/** Numbers as YAML writes them. */
const NUMBER = /^(?:[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|0x[\da-fA-F]+|0o[0-7]+)$/;

/** One character, which a shell may not be able to give: `\t`, and what YAML writes in quotes. */
function character(text: string): string {
  const [, , inner = text] = /^(["'])(.+)\1$/s.exec(text) ?? [];
  return { '\\t': '\t', '\\\\': '\\' }[inner] ?? inner;
}

/** What begins with a sign of YAML's own in a list or mapping would be dropped or replaced. */
const OWN_SIGNS: Readonly<Record<string, string>> = {
  comment: 'begins a comment',
  anchor: 'is an anchor',
  alias: 'is an alias',
  tag: 'is a tag',
};

/** Reads a list or a mapping. @throws InputError for text that is not YAML, and where YAML would leave something out */
function readStructure(text: string, place: string, keys: readonly string[]): unknown {
  for (const token of new Lexer().lex(text)) {
    const meaning = OWN_SIGNS[CST.tokenType(token) ?? ''];
    if (meaning === undefined) continue;
    throw new InputError(`${JSON.stringify(token)} ${meaning} in YAML and would be left out`, {
      code: 'config.syntax',
      place,
      fix: 'put it in quotes within the brackets',
    });
  }
  return unshare(readYaml(text, () => place).value ?? null, () => place, keys);
}

/** Whether a text stands in the brackets of a list or a mapping that the key takes. */
function isBracketed(text: string, kinds: ReadonlySet<Kind>): boolean {
  return (kinds.has('list') && /^\[.*\]$/s.test(text)) || (kinds.has('mapping') && /^\{.*\}$/s.test(text));
}

function readValue(text: string, kinds: ReadonlySet<Kind>, place: string, keys: readonly string[]): unknown {
  const trimmed = text.trim();
  const isText = kinds.has('text') || kinds.has('character');
  // A script whose variable is not set gives nothing, and would not notice the default.
  if (text === '' || (trimmed === '' && !kinds.has('character'))) {
    throw new InputError('the value is empty', {
      code: 'config.value',
      place,
      fix: 'give one, or null for none',
    });
  }
  if (kinds.has('null') && (trimmed === 'null' || (trimmed === '~' && !isText))) return null;
  // Where a text would do, only what a number is written as is one: 007 and 1e3 are names.
  const isNumber = isText ? /^\d+(\.\d+)?$/.test(text) && String(Number(text)) === text : NUMBER.test(trimmed);
  if (kinds.has('number') && isNumber) return Number(trimmed);
  if (kinds.has('truth') && /^(true|false)$/i.test(trimmed)) return /^t/i.test(trimmed);
  if (isText) {
    if (isBracketed(trimmed, kinds)) return readStructure(trimmed, place, keys);
    return kinds.has('character') ? character(text) : text;
  }
  if (kinds.has('list') || kinds.has('mapping')) return readStructure(text, place, keys);
  // No number or truth: the schema says what is missing.
  return text;
}

/**
 * Reads an argument of `--set`.
 *
 * The text after `=` is the value. A key that wants text takes it whole, whatever signs it has or numbers it looks like;
 * a key that wants one character also takes `\t`. Numbers, true, false and null are read where the key takes them. Lists
 * and mappings are YAML in brackets; where YAML would leave something out, they are refused.
 * @param schema of all keys
 * @throws InputError for an argument without key or value, for keys that cannot be set, and for lists and mappings that
 *   are not YAML
 */
export function readSet(argument: string, schema: JsonSchema): SetValue {
  const equals = argument.indexOf('=');
  const path = equals < 0 ? argument : argument.slice(0, equals);
  const keys = path.split('.');
  if (equals < 0 || keys.some((key) => !/^[A-Za-z0-9_-]+$/.test(key))) {
    throw new InputError(
      `--set ${argument}: must look like key.key=value, for example --set training.stage1.rows=1000`,
      { code: 'usage' },
    );
  }
  const place = `--set ${path}`;
  if (keys.some((key) => FORBIDDEN_KEYS.has(key)) || keys[0] === 'extends' || keys[0] === 'provenance') {
    throw new InputError('this key cannot be set', {
      code: 'config.value',
      place,
      fix: `see \`crossgate config schema\``,
    });
  }
  const part = keys.reduce<JsonSchema | undefined>((node, key) => node?.properties?.[key], schema);
  return { keys, place, value: readValue(argument.slice(equals + 1), kindsOf(part), place, keys) };
}
