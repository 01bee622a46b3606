/** Reads YAML of a config: one document, plain keys, plain values, and where each key was written. */
import { InputError } from '@crossgate/core';
import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

/** A value, and for each dotted path in it where that was written. */
export interface YamlText {
  readonly value: unknown;
  readonly origins: Map<string, string>;
}

/** Keys that would reach into JavaScript's own objects. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Parses a text.
 * @param place what messages and origins call a position; both from 1
 * @param leaf what a value becomes that is not in quotes, by its source and the keys and numbers that lead to it; default:
 *   what YAML makes of it
 * @throws InputError for anything but one YAML document, for unknown tags, and for keys that are not plain text
 */
export function readYaml(
  text: string,
  place: (line: number, column: number) => string,
  leaf?: (source: string, path: readonly string[]) => unknown,
): YamlText {
  const lines = new LineCounter();
  // A warning of the library would go to standard error by itself; what it warns of is an error here.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return place(line, col);
  };
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault?.code === 'MULTIPLE_DOCS') {
    throw new InputError('a second YAML document begins here', {
      code: 'config.syntax',
      place: `${at(fault.pos[0])}`,
      fix: 'a config is one, so remove the ---',
    });
  }
  if (fault !== undefined) {
    throw new InputError(`not valid YAML: ${fault.message.split('\n')[0]}`, {
      code: 'config.syntax',
      place: `${at(fault.pos[0])}`,
    });
  }
  const origins = new Map<string, string>();
  // The path of an entry of a list begins with a point.
  const partsOf = (path: string) => path.replace(/^\./, '').split('.');
  const walk = (node: unknown, path: string): void => {
    if (isScalar(node) && leaf !== undefined && node.type === 'PLAIN' && path !== '') {
      node.value = leaf(node.source ?? '', partsOf(path));
    }
    if (isMap(node)) {
      for (const pair of node.items) {
        if (!isPair(pair)) continue;
        const where = at((pair.key as Node | null)?.range?.[0] ?? 0);
        if (!isScalar(pair.key) || pair.key.value === null || typeof pair.key.value === 'object') {
          throw new InputError('a key must be plain text, not a mapping, a list, an alias or nothing', {
            code: 'config.syntax',
            place: where,
          });
        }
        const key = String(pair.key.value);
        const child = path === '' ? key : `${path}.${key}`;
        if (FORBIDDEN_KEYS.has(key))
          throw new InputError(`unknown key ${child}`, { code: 'config.unknown-key', place: where, fix: 'remove it' });
        origins.set(child, where);
        // {key} has no value at all.
        if (pair.value === null) leaf?.('', partsOf(child));
        walk(pair.value, child);
      }
    } else if (isSeq(node)) {
      node.items.forEach((item, index) => {
        const range = (item as Node | null)?.range;
        if (range) origins.set(`${path}.${index}`, at(range[0]));
        walk(item, `${path}.${index}`);
      });
    }
  };
  walk(document.contents, '');
  try {
    return { value: document.toJS({ maxAliasCount: 100 }), origins };
  } catch (error) {
    throw new InputError(`not usable YAML: ${(error as Error).message}`, {
      code: 'config.syntax',
      place: place(1, 1),
    });
  }
}
