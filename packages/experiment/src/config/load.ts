/** Reads config files: `extends`, deep merge, `--set`, validation with the place of every mistake. */

import { basename, dirname, relative, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import type { DatasetOptions } from '@crossgate/data';
import { kindOf, readText } from '@crossgate/files';
import { isPlain, type Plain } from './plain';
import { unreadPaths } from './reads';
import { type Layer, parseFile } from './run-config';
import { configJsonSchema, type ExperimentConfig } from './schema';
import { type OptionValue, readSet, type SetValue } from './set';
import { mergeInto, placeOf, validateConfig } from './validate';

/** What a config is built from besides its file. */
export interface LoadOptions {
  /** Trees of keys that win over the file, later ones over earlier; `set` wins over all of them. */
  readonly overrides?: readonly Plain[];
  /**
   * `--set` arguments, `a.b=value`, applied in order. A value is the text after `=`, read as what the key wants. Messages
   * name the option of those that another one gave.
   */
  readonly set?: readonly (string | OptionValue)[];
  /** `--seed`, which wins over the file. */
  readonly seed?: number;
  /** Refuse keys that the method does not read; see {@link LoadedConfig.unread}. Default false. */
  readonly strict?: boolean;
  /** Absolute path that a relative config path is resolved against; messages show files relative to it. */
  readonly cwd: string;
}

/** A key that was written and that a run of the config does not read. */
export interface UnreadKey {
  /** Dotted path, such as `lora.rank`. */
  readonly key: string;
  /** Where it was written: `FILE:LINE:COLUMN`, or the `--set` argument. */
  readonly place: string;
}

/** A config, and what is worth telling about it. */
export interface LoadedConfig {
  /** The config with every default filled in. */
  readonly config: ExperimentConfig;
  /**
   * Keys of the file itself and of `set` that the method does not read, in the order they were written. Keys of the files
   * that it extends are not among them: a family of configs shares these. Nor are those of a run's config.yaml, which
   * holds all keys.
   */
  readonly unread: readonly UnreadKey[];
  /** One sentence on the unread keys with the first place; null where there are none. */
  readonly warning: string | null;
}

/** What a file gives with all that it extends, and what it says itself. */
interface FileLayer extends Layer {
  readonly own: Layer;
}

/** A chain longer than this is a mistake. */
const MAX_DEPTH = 32;

/**
 * Loads and validates an experiment config.
 * @returns the config with every default filled in
 * @throws InputError naming file, line and column, or the `--set` argument, and the key
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<ExperimentConfig> {
  return (await loadConfigWithNotes(path, options)).config;
}

/**
 * {@link loadConfig}, and which of the keys that were written the method does not read.
 * @throws InputError as `loadConfig`; with `strict`, for unread keys
 */
export async function loadConfigWithNotes(path: string, options: LoadOptions): Promise<LoadedConfig> {
  const file = resolve(options.cwd, path);
  const layer = await readLayer(file, options.cwd, []);
  const { own } = layer;
  for (const tree of options.overrides ?? []) mergeInto(layer.value, structuredClone(tree));
  const name = layer.value.name ?? basename(file).replace(/\.(ya?ml|json)$/i, '');
  const { method } = layer.value;
  for (const given of readSets(options.set)) {
    applySet(layer, given);
    applySet(own, given);
  }
  if (options.seed !== undefined) {
    layer.value.seed = options.seed;
    layer.origins.set('seed', '--seed');
  }
  delete layer.value.provenance;
  // Another method is another run: it must not want the folder of the config's own.
  const isOther = method !== undefined && layer.value.method !== method;
  if (!layer.origins.get('name')?.startsWith('--set'))
    layer.value.name = isOther ? `${name}-${layer.value.method}` : name;
  const shown = display(file, options.cwd);
  const config = validateConfig(layer.value, layer.origins, shown);
  const unread = unreadPaths(config, leavesOf(own.value)).map((key): UnreadKey => {
    return { key, place: placeOf(key.split('.'), own.origins, shown) };
  });
  const refusal = refusalOf(config, unread);
  if (refusal !== null && options.strict === true) throw refusal;
  return { config, unread, warning: refusal?.message ?? null };
}

function readSets(set: LoadOptions['set'] = []): SetValue[] {
  if (set.length === 0) return [];
  const schema = configJsonSchema();
  return set.map((given) =>
    typeof given === 'string' ? readSet(given, schema) : readSet(given.argument, schema, given.option),
  );
}

/** Dotted paths of the values of a tree; lists and empty mappings count as values. */
function leavesOf(tree: Plain, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const path = `${prefix}${key}`;
    return isPlain(value) && Object.keys(value).length > 0 ? leavesOf(value, `${path}.`) : [path];
  });
}

/** Names in a warning; what is more is counted. */
const MOST_NAMES = 8;

/** What is said of keys that the method does not read: a warning, or an error with `strict`. */
function refusalOf({ method, cf, training }: ExperimentConfig, unread: readonly UnreadKey[]): InputError | null {
  const [first] = unread;
  if (first === undefined) return null;
  const names = unread.slice(0, MOST_NAMES).map(({ key }) => key);
  const more = unread.length - names.length;
  const list = more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
  // What else decides is named where one of the keys depends on it.
  const isAny = (section: string) => unread.some(({ key }) => key.startsWith(section));
  const choices = [
    ...(isAny('cf.') && cf.run !== null ? ['cf.run'] : []),
    ...(isAny('training.stage') ? [`training.strategy ${training.strategy}`] : []),
  ];
  const choice = choices.length > 0 ? ` with ${choices.join(' and ')}` : '';
  return new InputError(`method ${method}${choice} does not read ${list}`, {
    code: 'config.unread-key',
    place: first.place,
    fix: `remove ${unread.length > 1 ? 'them' : 'it'}`,
  });
}

/**
 * The options of a data set from `--set` arguments alone, with the keys they have in a config (`data.split.by=ratio`).
 * @throws InputError naming the argument
 */
export function readDataOptions(name: string, set: readonly string[]): DatasetOptions {
  const layer: Layer = { value: { name: 'prepare', method: 'mean', data: { name } }, origins: new Map() };
  for (const argument of set) {
    const key = argument.split('=', 1)[0] as string;
    if (!key.startsWith('data.') || key === 'data.name' || key === 'data.path') {
      throw new InputError(`--set ${key}: only options of the data set can be set here, such as data.split.by=ratio`, {
        code: 'config.value',
      });
    }
  }
  for (const given of readSets(set)) applySet(layer, given);
  const { name: _, path: __, ...options } = validateConfig(layer.value, layer.origins, '--set').data;
  return options;
}

function display(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short.startsWith('..') ? file : short;
}

async function readLayer(file: string, cwd: string, chain: readonly string[]): Promise<FileLayer> {
  const shown = display(file, cwd);
  if (chain.includes(file)) {
    const circle = [...chain.slice(chain.indexOf(file)), file].map((name) => display(name, cwd));
    throw new InputError(`extends goes in a circle: ${circle.join(' -> ')}`, {
      code: 'config.extends',
      place: `${circle.at(-2)}`,
      fix: 'remove one of them',
    });
  }
  if (chain.length >= MAX_DEPTH)
    throw new InputError(`more than ${MAX_DEPTH} files extend one another`, { code: 'config.extends', place: shown });
  const text = await readText(file, 'config');
  const own = parseFile(text, shown);
  const parents = parentsOf(own, shown);
  delete own.value.extends;
  // A run's config.yaml holds all keys: none was written by a person.
  const said = 'provenance' in own.value ? {} : structuredClone(own.value);
  const merged: FileLayer = { value: {}, origins: new Map(), own: { value: said, origins: own.origins } };
  for (const parent of parents) {
    const target = resolve(dirname(file), parent);
    if ((await kindOf(target)) === 'absent') {
      const place = own.origins.get('extends') ?? shown;
      throw new InputError(`extends ${parent}, which does not exist (${display(target, cwd)})`, {
        code: 'config.extends',
        place,
        fix: 'fix the path',
      });
    }
    combine(merged, await readLayer(target, cwd, [...chain, file]));
  }
  combine(merged, own);
  return merged;
}

function parentsOf(layer: Layer, shown: string): string[] {
  const value = layer.value.extends;
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value : [value];
  for (const entry of list) {
    if (typeof entry !== 'string' || entry === '') {
      throw new InputError('extends must be a path or a list of paths', {
        code: 'config.extends',
        place: `${layer.origins.get('extends') ?? shown}`,
      });
    }
  }
  return list as string[];
}

function combine(target: Layer, source: Layer): void {
  mergeInto(target.value, source.value);
  for (const [path, origin] of source.origins) target.origins.set(path, origin);
}

/** Puts a value of `--set` into the tree. */
function applySet({ value: tree, origins }: Layer, { keys, value, place }: SetValue): void {
  let node = tree;
  keys.forEach((key, index) => {
    const here = keys.slice(0, index + 1).join('.');
    if (index === keys.length - 1) {
      node[key] = structuredClone(value);
      origins.set(here, place);
      return;
    }
    if (!isPlain(node[key])) {
      node[key] = {};
      origins.set(here, place);
    }
    node = node[key] as Plain;
  });
}
