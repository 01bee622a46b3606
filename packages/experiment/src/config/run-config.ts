/** Reads the text of a config file, and the config.yaml of a run, which holds all keys and extends nothing. */
import { InputError } from '@crossgate/core';
import { isPlain, type Plain } from './plain';
import { moveRenamedKeys } from './renamed';
import type { ExperimentConfig } from './schema';
import { placeOf, unshare, validateConfig } from './validate';
import { readYaml } from './yaml';

/** A merged tree and, for each dotted path, where its value was written. */
export interface Layer {
  readonly value: Plain;
  readonly origins: Map<string, string>;
}

/** The tree of one file. @param shown its name in messages @throws InputError for anything but a mapping */
export function parseFile(text: string, shown: string): Layer {
  const { value, origins } = readYaml(text, (line, column) => `${shown}:${line}:${column}`);
  if (value === null || value === undefined) return { value: {}, origins: new Map() };
  if (!isPlain(value)) {
    throw new InputError('a config must be a mapping of keys to values', {
      code: 'config.syntax',
      place: `${shown}:1:1`,
    });
  }
  const tree = unshare(value, (path) => placeOf(path, origins, shown)) as Plain;
  // Written by a run, perhaps of an older program.
  if ('provenance' in tree) moveRenamedKeys(tree, origins);
  return { value: tree, origins };
}

/**
 * The config of a run and what its config.yaml says besides.
 * @param place of the file, for messages
 * @throws InputError naming file, line and key
 */
export function parseRunConfig(text: string, place: string): { config: ExperimentConfig; provenance: Plain } {
  const { value, origins } = parseFile(text, place);
  const { provenance } = value;
  delete value.provenance;
  return { config: validateConfig(value, origins, place), provenance: isPlain(provenance) ? provenance : {} };
}
