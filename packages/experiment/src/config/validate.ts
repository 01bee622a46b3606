/** Checks a merged config tree against the schema and says, for the first mistake, where it is and what would be right. */
import { didYouMean, InputError } from '@crossgate/core';
import type { z } from 'zod';
import { checkStrategy, declarationOf, fillMethodDefaults } from './method-defaults';
import { isPlain, type Plain } from './plain';
import { unreadPaths } from './reads';
import { checkRenamedKeys } from './renamed';
import { cfMethods, configJsonSchema, currentConfigSchema, type ExperimentConfig, type JsonSchema } from './schema';

/** A config nested deeper than this is a mistake, or a YAML alias that contains itself. */
const MAX_NESTING = 32;

/**
 * Copies a tree so that no two places share a mapping: a YAML alias does, and merging into one would change both.
 * @param place where a path of keys was written
 * @param path of `value`
 * @throws InputError for a tree that is too deep, and for values of typed tags such as `!!set`
 */
export function unshare(
  value: unknown,
  place: (path: readonly string[]) => string,
  path: readonly string[] = [],
): unknown {
  if (path.length > MAX_NESTING) {
    throw new InputError(`nested more than ${MAX_NESTING} deep; a config is not`, {
      code: 'config.syntax',
      place: place(path),
    });
  }
  if (Array.isArray(value)) return value.map((item, index) => unshare(item, place, [...path, String(index)]));
  if (typeof value !== 'object' || value === null) return value;
  if (!isPlain(value)) {
    throw new InputError(
      `${path.join('.')}: must be a plain value, a list or a mapping, not a typed one such as !!set`,
      { code: 'config.syntax', place: place(path) },
    );
  }
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, unshare(child, place, [...path, key])]));
}

/** Merges `source` into `target`: mappings key by key, everything else replaced. Takes over parts of `source`. */
export function mergeInto(target: Plain, source: Plain): void {
  for (const [key, value] of Object.entries(source)) {
    const present = target[key];
    if (isPlain(present) && isPlain(value)) mergeInto(present, value);
    else target[key] = value;
  }
}

/**
 * Validates a merged tree.
 * @param origins dotted path → where the value was written
 * @param fallback named when a key is missing
 * @throws InputError with place, key and what is expected
 */
export function validateConfig(value: Plain, origins: ReadonlyMap<string, string>, fallback: string): ExperimentConfig {
  checkRenamedKeys(value, (key) => origins.get(key) ?? fallback);
  checkRenamed(value, (key) => origins.get(key) ?? fallback);
  fillMethodDefaults(value);
  const result = currentConfigSchema().safeParse(value);
  if (!result.success) throw refusal(pick(result.error.issues), value, origins, fallback);
  const config = result.data;
  if (config.llm.path === null && declarationOf(config.method) !== undefined) {
    throw new InputError(`method ${config.method} needs llm.path`, {
      code: 'config.value',
      place: origins.get('method') ?? fallback,
      fix: 'add it, or --set llm.path=PATH',
    });
  }
  checkStrategy(config);
  checkRanking(config, (key) => origins.get(key) ?? fallback);
  return config;
}

/** @throws InputError for the name that asymmetric SVD of class P had when it was a model of its own */
function checkRenamed({ method, cf }: Plain, place: (key: string) => string): void {
  for (const [key, name] of [
    ['method', method],
    ['cf.model', isPlain(cf) ? cf.model : undefined],
  ] as const) {
    if (name !== 'asvd-p') continue;
    throw new InputError(`${key}: asvd-p is now asvd with cf.asvd.information: P`, {
      code: 'config.value',
      place: place(key),
      fix: 'set both',
    });
  }
}

/** Whether a run of this config reads a key. */
const readsKey = (config: ExperimentConfig, key: string) => unreadPaths(config, [key]).length === 0;

/** Ranking needs a score of every item, which only CF models give at the price of one product. */
function checkRanking(config: ExperimentConfig, place: (key: string) => string): void {
  const { method, cf, evaluation } = config;
  const { k } = evaluation.ranking;
  const isByLists = cf.selectBy !== 'auc' && cf.selectBy !== 'last' && readsKey(config, 'cf.selectBy');
  if (isByLists && !cfMethods().includes(method)) {
    throw new InputError(`cf.selectBy ${cf.selectBy} needs lists, which ${method} does not make`, {
      code: 'config.value',
      place: place('cf.selectBy'),
      fix: `select by auc or last, or train ${cf.model} by itself and name its run in cf.run`,
    });
  }
  if (k !== null && !cfMethods().includes(method)) {
    throw new InputError(`evaluation.ranking is for ${cfMethods().join(', ')}, but the method is ${method}`, {
      code: 'config.value',
      place: place('evaluation.ranking.k'),
      fix: 'leave it out',
    });
  }
  if (k === null && isByLists) {
    throw new InputError(`cf.selectBy ${cf.selectBy} needs evaluation.ranking.k`, {
      code: 'config.value',
      place: place('cf.selectBy'),
      fix: 'set it, or select by auc or last',
    });
  }
}

type Issue = z.core.$ZodIssue;

/** An unknown key is the likeliest cause of the others (a misspelled required key), so it is named first. */
function pick(issues: readonly Issue[]): Issue {
  return issues.find((issue) => issue.code === 'unrecognized_keys') ?? issues[0]!;
}

function refusal(issue: Issue, value: Plain, origins: ReadonlyMap<string, string>, fallback: string): InputError {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const full = [...path, key].join('.');
    return new InputError(`unknown key ${full}${suggestKey(path, key)}`, {
      code: 'config.unknown-key',
      place: placeOf([...path, key], origins, fallback),
      fix: 'see `crossgate config schema`',
    });
  }
  const key = path.join('.');
  const given = path.reduce<unknown>((node, part) => (node as Plain | undefined)?.[part], value);
  if (given === undefined) {
    return new InputError(`key ${key} is missing`, {
      code: 'config.value',
      place: fallback,
      fix: `add it, or --set ${key}=…`,
    });
  }
  return new InputError(`${key}: ${expectation(issue, given)}`, {
    code: 'config.value',
    place: placeOf(path, origins, fallback),
  });
}

/** Where a path was written; a path inside a value from an alias has only its parent's place. */
export function placeOf(path: readonly string[], origins: ReadonlyMap<string, string>, fallback: string): string {
  for (let length = path.length; length > 0; length--) {
    const place = origins.get(path.slice(0, length).join('.'));
    if (place !== undefined) return place;
  }
  return fallback;
}

function expectation(issue: Issue, given: unknown): string {
  // JSON has no NaN and no infinity: it would say null.
  const text = (typeof given === 'number' ? undefined : JSON.stringify(given)) ?? String(given);
  const shown = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  if (issue.code === 'invalid_value') {
    const options = issue.values.map(String);
    return `${shown} is not one of ${options.join(', ')}${didYouMean(String(given), options)}`;
  }
  // What may hold a password is not repeated.
  if (issue.code === 'custom' && issue.params?.isSecret === true) return inWords(issue);
  return `${inWords(issue)}, got ${shown}`;
}

/** What a value of each type is called. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a mapping of keys to values',
  array: 'a list',
  tuple: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** What has a length, one and several. */
const COUNTED: Readonly<Record<string, readonly [string, string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
};

function inWords(issue: Issue): string {
  if (issue.code === 'invalid_type') return `must be ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'too_big' && (issue.origin === 'number' || issue.origin === 'int')) {
    return `must be ${issue.inclusive === false ? 'below' : 'at most'} ${issue.maximum}`;
  }
  if (issue.code === 'too_big' || issue.code === 'too_small') {
    const [bound, word] = issue.code === 'too_big' ? [issue.maximum, 'at most '] : [issue.minimum, 'at least '];
    const counted = COUNTED[issue.origin]?.[Number(bound) === 1 ? 0 : 1];
    if (counted !== undefined) return `must have ${issue.exact ? '' : word}${bound} ${counted}`;
  }
  return issue.message.replace(/^Invalid input: /, '');
}

/** Suggests a sibling key, else the same key elsewhere in the tree. */
function suggestKey(path: readonly string[], key: string): string {
  const root = configJsonSchema();
  const siblings = Object.keys(propertiesAt(root, path));
  const near = didYouMean(key, siblings);
  if (near !== '') return near;
  const elsewhere = pathsNamed(root, key);
  return elsewhere.length > 0 ? ` (did you mean ${elsewhere.slice(0, 2).join(' or ')}?)` : '';
}

function propertiesAt(schema: JsonSchema, path: readonly string[]): Record<string, JsonSchema> {
  const found = path.reduce<JsonSchema | undefined>((node, part) => node?.properties?.[part], schema);
  return found?.properties ?? {};
}

function pathsNamed(schema: JsonSchema, key: string, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    return [...(name === key ? [path] : []), ...pathsNamed(child, key, path)];
  });
}
