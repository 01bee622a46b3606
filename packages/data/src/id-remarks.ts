/** Remarks on ids that may not be what their owner means: they are kept letter by letter all the same. */

import { excerpt } from './csv-values';
import { hasOuterSpace, sameNumber } from './id-lookup';
import { isRounded } from './time';

/** A remark on ids with white space at their ends, which may be meant or not. */
function spacedIds(kind: 'user' | 'item', ids: readonly string[]): string[] {
  const spaced = ids.filter(hasOuterSpace);
  const [first] = spaced;
  if (first === undefined) return [];
  const bare = new Set<string>();
  const twin = ids.find((id) => bare.size === bare.add(id.trim()).size)?.trim();
  const count = `${spaced.length} of ${ids.length} ${kind} ids`;
  const words = `${count} have white space at an end, such as ${excerpt(first)}; it is kept`;
  if (twin === undefined) return [words];
  const alike = ids.filter((id) => id.trim() === twin).map(excerpt);
  return [`${words}, so ${alike.join(' and ')} are ${alike.length} ${kind}s`];
}

/** Programs for tables show long numbers with an exponent, and save them so. */
function roundedIds(kind: 'user' | 'item', ids: readonly string[]): string[] {
  const rounded = ids.filter((id) => isRounded(id.replace(',', '.')));
  const [first] = rounded;
  if (first === undefined) return [];
  const count = `${rounded.length} of ${ids.length} ${kind} ids`;
  return [`${count} are rounded numbers, such as ${excerpt(first)}: several may have become one; export them as text`];
}

/** Ids that are one number, written in two ways: pandas writes 7.0 for 7 where some are missing. */
function numberTwins(kind: 'user' | 'item', ids: readonly string[]): string[] {
  const known = new Map<string, string>();
  let count = 0;
  let example = '';
  for (const id of ids) {
    const number = sameNumber(id);
    if (number === undefined) continue;
    const twin = known.get(number);
    if (twin === undefined) known.set(number, id);
    else if (count++ === 0) example = `${excerpt(twin)} and ${excerpt(id)}`;
  }
  return count === 0 ? [] : [`${count} ${kind} ids are numbers that others are too: ${example} are 2 ${kind}s`];
}

/** Remarks on the ids of a data set. @param ids each once */
export function idRemarks(kind: 'user' | 'item', ids: readonly string[]): string[] {
  return [...spacedIds(kind, ids), ...roundedIds(kind, ids), ...numberTwins(kind, ids)];
}
