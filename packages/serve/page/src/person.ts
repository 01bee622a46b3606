/** The person that a list is for, and how a list changes and takes in further titles. No document is needed here. */
import type { List, PersonQuery, Ranked } from './api';

/** One event of the history shown. */
export interface Entry {
  readonly item: string;
  readonly title: string;
  /** 1: likes; 0: dislikes. */
  readonly label: 0 | 1;
}

/** A user of the run, or somebody new, with the history as it was found and as it was changed since. */
export interface Person {
  /** Id, or null for somebody new. */
  readonly user: string | null;
  /** Oldest first, as the server gave it. */
  readonly saved: readonly Entry[];
  /** The histories before each change, oldest first; the last is the one before `entries`. */
  readonly past: readonly (readonly Entry[])[];
  /** Oldest first, as shown. */
  readonly entries: readonly Entry[];
}

/** A person with an unchanged history. */
export function openPerson(user: string | null, saved: readonly Entry[]): Person {
  return { user, saved, past: [], entries: saved };
}

const changed = (person: Person, entries: readonly Entry[]): Person => ({
  ...person,
  past: [...person.past, person.entries],
  entries,
});

/** With an event as the newest; earlier ones of the same item go. */
export function withEntry(person: Person, entry: Entry): Person {
  return changed(person, [...person.entries.filter(({ item }) => item !== entry.item), entry]);
}

/** Without the event at this place. */
export function withoutEntry(person: Person, index: number): Person {
  return changed(
    person,
    person.entries.filter((_, i) => i !== index),
  );
}

/** A like becomes a dislike, a dislike a like. */
export function flipEntry(person: Person, index: number): Person {
  return changed(
    person,
    person.entries.map((entry, i) => (i === index ? { ...entry, label: entry.label === 1 ? 0 : 1 } : entry)),
  );
}

/** One change back. */
export function undo(person: Person): Person {
  return { ...person, past: person.past.slice(0, -1), entries: person.past.at(-1) ?? person.entries };
}

/** Whether the history differs from the one that the server gave. */
export function isChanged({ saved, entries }: Person): boolean {
  return (
    saved.length !== entries.length ||
    saved.some(({ item, label }, i) => item !== entries[i]?.item || label !== entries[i]?.label)
  );
}

/** The most likes, and dislikes, that the server takes; the newest count. */
const most = 1000;

/** How the server is asked: by id while the history is the user's own, by history otherwise. */
export function queryOf(person: Person): PersonQuery {
  if (person.user !== null && !isChanged(person)) return { user: person.user };
  const ids = (wanted: 0 | 1) =>
    person.entries
      .filter(({ label }) => label === wanted)
      .map(({ item }) => item)
      .slice(-most);
  const dislikes = ids(0);
  return { history: ids(1), ...(dislikes.length > 0 && { dislikes }) };
}

/** Places that each item of a list went up (positive) or down; `new` for one that was not in the list before. */
export function movements(before: readonly string[], after: readonly string[]): Map<string, number | 'new'> {
  const places = new Map(before.map((item, i) => [item, i]));
  return new Map(
    after.map((item, i) => {
      const place = places.get(item);
      return [item, place === undefined ? 'new' : place - i];
    }),
  );
}

/** An item of the list with its place, from 1; `own`: a title tried by the reader. Null: below everything asked for. */
export interface Row {
  readonly place: number | null;
  readonly ranked: Ranked;
  readonly own: boolean;
}

/**
 * Takes tried titles into a list, best first. A title that scores below the whole list has no place, unless the list
 * ends because there is nothing more (`complete`). Of equal scores the list's own come first.
 */
export function placeTitles(ranked: readonly Ranked[], tried: readonly Ranked[], complete: boolean): Row[] {
  const own = new Set(tried.map(({ item }) => item));
  const inList = new Set(ranked.map(({ item }) => item));
  const more = tried.filter(({ item }) => !inList.has(item)).sort((a, b) => b.score - a.score);
  const least = ranked.at(-1)?.score ?? Number.NEGATIVE_INFINITY;
  const rows = [...ranked];
  // After all items of at least its score: a list in the server's order stays in it.
  for (const title of more) {
    const at = rows.findLastIndex(({ score }) => score >= title.score) + 1;
    rows.splice(at, 0, title);
  }
  return rows.map((item, i) => ({
    place: own.has(item.item) && !inList.has(item.item) && !complete && item.score <= least ? null : i + 1,
    ranked: item,
    own: own.has(item.item),
  }));
}

/** Whether a list holds the order of CF alone, since the language model did not answer in time. */
export function isCfOrder({ degraded, items }: Pick<List, 'degraded' | 'items'>): boolean {
  // With the language model's scores only the reasons are missing.
  return degraded === true && !items.some(({ llm }) => typeof llm === 'number');
}

/** Whether scores of two answers are of one kind: only then a title has a place in the list. */
export function comparable(list: List, titles: List): boolean {
  const counts = (answer: List) => answer.basis === 'popularity';
  return counts(list) === counts(titles) && !isCfOrder(list) && !isCfOrder(titles);
}

/** An id for a new title, always the same for the same title: 64 bits of a hash (FNV-1a and a second of its kind). */
export function idOf(title: string): string {
  let [high, low] = [0x811c9dc5, 0x01000193];
  for (const character of title.trim().normalize('NFC')) {
    const code = character.codePointAt(0)!;
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x85ebca6b) ^ (high >>> 15);
  }
  return `page-${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
}
