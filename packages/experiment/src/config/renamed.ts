/** Keys that have moved to another place in the config. */
import { InputError } from '@crossgate/core';
import { dropLackingStrategy } from './method-defaults';
import { isPlain, type Plain } from './plain';

/** Old name → new name. */
export const renamedKeys: Readonly<Record<string, string>> = {
  'cf.dropout': 'training.stage2.cfDropout',
  'cf.userDropout': 'training.stage2.userDropout',
  'llm.activations': 'training.activations',
  'checkpoint.everySteps': 'training.checkpointEvery',
};

/** The mapping that holds the last key of a path, where it has that key. */
function holderOf(tree: Plain, keys: readonly string[]): Plain | undefined {
  let node: unknown = tree;
  for (const key of keys.slice(0, -1)) node = isPlain(node) ? node[key] : undefined;
  return isPlain(node) && Object.hasOwn(node, keys.at(-1)!) ? node : undefined;
}

/**
 * Refuses old names.
 * @param place where a key was written
 * @throws InputError with the place of the first old name, and its new one
 */
export function checkRenamedKeys(tree: Plain, place: (key: string) => string): void {
  for (const [old, now] of Object.entries(renamedKeys)) {
    if (holderOf(tree, old.split('.')) === undefined) continue;
    throw new InputError(`${old} is now ${now}`, { code: 'config.unknown-key', place: place(old), fix: 'rename it' });
  }
}

/**
 * Moves old names of a run's config.yaml to the new ones, in place: a run of an older program stays usable. What has
 * the new name already wins; a section that is left empty goes, and so does a strategy that the method never had.
 * @param origins dotted path → where it was written; moved along
 */
export function moveRenamedKeys(tree: Plain, origins: Map<string, string> = new Map()): void {
  for (const [old, now] of Object.entries(renamedKeys)) {
    const from = old.split('.');
    const holder = holderOf(tree, from);
    if (holder === undefined) continue;
    const value = holder[from.at(-1)!];
    delete holder[from.at(-1)!];
    const section = from.slice(0, -1);
    const outer = holderOf(tree, section);
    if (outer !== undefined && Object.keys(holder).length === 0) delete outer[section.at(-1)!];
    const to = now.split('.');
    if (holderOf(tree, to) !== undefined) continue;
    let node = tree;
    for (const key of to.slice(0, -1)) {
      if (!isPlain(node[key])) node[key] = {};
      node = node[key] as Plain;
    }
    node[to.at(-1)!] = value;
    const origin = origins.get(old);
    if (origin !== undefined) origins.set(now, origin);
  }
  dropLackingStrategy(tree);
}
