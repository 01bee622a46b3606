/** Reads `--set key=value`: the text after `=` is the value, read as what the key wants. */
import { InputError } from '@crossgate/core';
import { CST, Lexer } from 'yaml';
import type { JsonSchema } from './schema';
import { unshare } from './validate';
import { FORBIDDEN_KEYS, readYaml } from './yaml';

/** The rule in one line, for the help of commands. */
export const SET_RULE =
  'the text after = is the value as it stands; null: none; [a, b] or {a: 1} where the key wants a list or keys';

/** An argument as `--set` takes it, that another option gave. */
export interface OptionValue {
  /** What messages call the option, such as `--grid`. */
  readonly option: string;
  /** `a.b=value` */
  readonly argument: string;
}

/** A value that `--set` gives. */
export interface SetValue {
  readonly keys: readonly string[];
  readonly value: unknown;
  /** What messages call it: `--set a.b`, or another option. */
  readonly place: string;
}

/** What a key takes; `any` where the schema does not say, as of the options of a registered model. */
type Kind = 'text' | 'character' | 'number' | 'truth' | 'null' | 'list' | 'mapping' | 'any';

const KINDS: Readonly<Record<string, Kind>> = {
  string: 'text',
  number: 'number',
  integer: 'number',
  boolean: 'truth',
  null: 'null',
  array: 'list',
  object: 'mapping',
};

/** The alternatives of a part of the schema. */
function variantsOf(schema: JsonSchema | undefined): readonly JsonSchema[] {
  const variants = schema?.anyOf as JsonSchema[] | undefined;
  return variants?.flatMap(variantsOf) ?? (schema === undefined ? [] : [schema]);
}

/** What a part of the schema takes. */
function kindsOf(schema: JsonSchema | undefined): Set<Kind> {
  const kinds = variantsOf(schema).flatMap((variant) => {
    const types = [variant.type ?? []].flat() as string[];
    return types.map((type): Kind => {
      return type === 'string' && variant.maxLength === 1 ? 'character' : KINDS[type]!;
    });
  });
  return new Set(kinds.length === 0 ? (['any'] as const) : kinds);
}

/** The schema of an entry of a mapping, or of a list by its number. */
function entryOf(schema: JsonSchema | undefined, key: string): JsonSchema | undefined {
  for (const { properties, prefixItems, items } of variantsOf(schema)) {
    const entry = properties?.[key] ?? (prefixItems as JsonSchema[] | undefined)?.[Number(key)] ?? items;
    if (entry !== undefined) return entry as JsonSchema;
  }
  return undefined;
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
function readStructure(text: string, schema: JsonSchema | undefined, place: string, keys: readonly string[]): unknown {
  const syntax = (message: string, fix: string) => new InputError(message, { code: 'config.syntax', place, fix });
  for (const token of new Lexer().lex(text)) {
    const meaning = OWN_SIGNS[CST.tokenType(token) ?? ''];
    if (meaning === undefined) continue;
    throw syntax(
      `${JSON.stringify(token)} ${meaning} in YAML and would be left out`,
      'put it in quotes within the brackets',
    );
  }
  const leaf = (source: string, path: readonly string[]): unknown => {
    const last = path.at(-1)!;
    if (source !== '') return readLeaf(source, kindsOf(path.reduce(entryOf, schema)));
    // {by:ratio} is a key of this name without a value.
    if (last.includes(':')) throw syntax(`"${last}" is one key, without a value`, 'write a blank after the colon');
    return null;
  };
  return unshare(readYaml(text, () => place, leaf).value ?? null, () => place, keys);
}

/** Reads text that is no list or mapping. */
function readLeaf(text: string, kinds: ReadonlySet<Kind>): unknown {
  const trimmed = text.trim();
  const isText = kinds.has('text') || kinds.has('character');
  const takes = (kind: Kind) => kinds.has(kind) || kinds.has('any');
  if (takes('null') && (trimmed === 'null' || (trimmed === '~' && !isText))) return null;
  // Where a text would do, only what a number is written as is one: 0, 007 and 1e3 are names.
  const isNumber = isText
    ? /^[\d.]+$/.test(text) && Number(text) > 0 && String(Number(text)) === text
    : NUMBER.test(trimmed);
  if (takes('number') && isNumber) return Number(trimmed);
  if (!isText && takes('truth') && /^(true|false)$/i.test(trimmed)) return /^t/i.test(trimmed);
  return kinds.has('character') ? character(text) : text;
}

/** Whether a text stands in the brackets of a list or a mapping that the key takes. */
function isBracketed(text: string, kinds: ReadonlySet<Kind>): boolean {
  const takes = (kind: Kind) => kinds.has(kind) || kinds.has('any');
  return (takes('list') && /^\[.*\]$/s.test(text)) || (takes('mapping') && /^\{.*\}$/s.test(text));
}

function readValue(text: string, schema: JsonSchema | undefined, place: string, keys: readonly string[]): unknown {
  const kinds = kindsOf(schema);
  const trimmed = text.trim();
  const refuse = (message: string, fix: string) => new InputError(message, { code: 'config.value', place, fix });
  // A script whose variable is not set gives nothing, and would not notice the default.
  if (text === '' || (trimmed === '' && !kinds.has('character'))) {
    throw refuse('the value is empty', kinds.has('null') ? 'give one, or null for none' : 'give one');
  }
  if (isBracketed(trimmed, kinds)) return readStructure(trimmed, schema, place, keys);
  if (!['text', 'character', 'number', 'truth', 'any'].some((kind) => kinds.has(kind as Kind))) {
    if (kinds.has('null') && (trimmed === 'null' || trimmed === '~')) return null;
    // Lists and mappings may also stand in lines of their own.
    const value = readStructure(text, schema, place, keys);
    if (typeof value === 'object') return value;
    throw kinds.has('list')
      ? refuse(
          `must be a list, got ${JSON.stringify(text)}`,
          `put it in brackets: [${trimmed.replace(/^\((.*)\)$/, '$1')}]`,
        )
      : refuse(
          `must be keys with values, got ${JSON.stringify(text)}`,
          'write {key: value}, or set one key, with a point',
        );
  }
  const value = readLeaf(text, kinds);
  // It cannot be seen in a message, and is part of no path that there is.
  if (typeof value === 'string' && /.\r$/s.test(value)) {
    throw refuse(
      `${JSON.stringify(value)} ends with a carriage return`,
      'the script that gave it has the line ends of Windows; save it with those of Unix',
    );
  }
  return value;
}

/**
 * Reads an argument of `--set`.
 *
 * The text after `=` is the value. A key that wants text takes it whole, whatever signs it has or numbers it looks like;
 * a key that wants one character also takes `\t`. Numbers, true, false and null are read where the key takes them. Lists
 * and mappings are YAML in brackets, whose entries are read by the same rule (what is in quotes is text); where YAML would
 * leave something out, they are refused.
 * @param schema of all keys
 * @param option what messages call the option that gave the argument
 * @throws InputError for an argument without key or value, for keys that cannot be set, and for lists and mappings that
 *   are not YAML
 */
export function readSet(argument: string, schema: JsonSchema, option = '--set'): SetValue {
  const equals = argument.indexOf('=');
  const path = equals < 0 ? argument : argument.slice(0, equals);
  const keys = path.split('.');
  if (equals < 0 || keys.some((key) => !/^[A-Za-z0-9_-]+$/.test(key))) {
    throw new InputError(
      `${option} ${argument}: must look like key.key=value, for example ${option} training.stage1.rows=1000`,
      { code: 'usage' },
    );
  }
  const place = `${option} ${path}`;
  if (keys.some((key) => FORBIDDEN_KEYS.has(key)) || keys[0] === 'extends' || keys[0] === 'provenance') {
    throw new InputError('this key cannot be set', {
      code: 'config.value',
      place,
      fix: `see \`crossgate config schema\``,
    });
  }
  const part = keys.reduce<JsonSchema | undefined>((node, key) => node?.properties?.[key], schema);
  return { keys, place, value: readValue(argument.slice(equals + 1), part, place, keys) };
}
