import { describe, expect, it } from 'vitest';
import type { List, Ranked } from '../../page/src/api';
import { change, counted, duration } from '../../page/src/format';
import {
  comparable,
  type Entry,
  flipEntry,
  idOf,
  isCfOrder,
  isChanged,
  movements,
  openPerson,
  placeTitles,
  queryOf,
  undo,
  withEntry,
  withoutEntry,
} from '../../page/src/person';

const entry = (item: string, label: 0 | 1 = 1): Entry => ({ item, title: `Title ${item}`, label });
const ranked = (item: string, score: number): Ranked => ({ item, title: `Title ${item}`, score });
const list = (more: Partial<List>): List => ({ items: [], basis: 'user', took: 1, model: '', ...more });

describe('a person', () => {
  const person = openPerson('36', [entry('a'), entry('b', 0), entry('a')]);

  it('is asked for by id until the history changes, and again once it is as it was', () => {
    expect(queryOf(person)).toEqual({ user: '36' });
    const changed = withoutEntry(person, 0);
    expect(queryOf(changed)).toEqual({ history: ['a'], dislikes: ['b'] });
    expect(isChanged(changed)).toBe(true);
    expect(queryOf(undo(changed))).toEqual({ user: '36' });
    expect(queryOf(flipEntry(flipEntry(person, 1), 1))).toEqual({ user: '36' });
  });

  it('takes out the event at a place, not every event of its item', () => {
    expect(withoutEntry(person, 2).entries.map(({ item }) => item)).toEqual(['a', 'b']);
  });

  it('has what is added as the newest, once', () => {
    expect(withEntry(person, entry('a', 0)).entries).toEqual([entry('b', 0), entry('a', 0)]);
  });

  it('without an id is asked for by the history, even an empty one, of the newest 1,000 likes', () => {
    expect(queryOf(openPerson(null, []))).toEqual({ history: [] });
    const long = openPerson(
      null,
      Array.from({ length: 1200 }, (_, i) => entry(String(i))),
    );
    expect(queryOf(long)).toMatchObject({ history: { length: 1000, 0: '200', 999: '1199' } });
  });

  it('stays as it is where nothing can be undone', () => {
    expect(undo(person)).toEqual(person);
  });
});

describe('a list', () => {
  it('knows who moved, and who is new', () => {
    expect([...movements(['a', 'b', 'c'], ['c', 'a', 'd'])]).toEqual([
      ['c', 2],
      ['a', -1],
      ['d', 'new'],
    ]);
  });

  it('takes a title in by its score, after those of equal score', () => {
    const rows = placeTitles([ranked('a', 0.9), ranked('b', 0.5), ranked('c', 0.3)], [ranked('x', 0.5)], false);
    expect(rows.map(({ place, ranked: { item }, own }) => [place, item, own])).toEqual([
      [1, 'a', false],
      [2, 'b', false],
      [3, 'x', true],
      [4, 'c', false],
    ]);
  });

  it('gives a title below everything a place only where the list is complete', () => {
    const placeOf = (complete: boolean) => placeTitles([ranked('a', 0.9)], [ranked('x', 0.2)], complete)[1]?.place;
    expect(placeOf(false)).toBe(null);
    expect(placeOf(true)).toBe(2);
    expect(placeTitles([], [ranked('x', 0.2)], true)[0]?.place).toBe(1);
  });

  it('does not show a title twice that the server listed itself', () => {
    const rows = placeTitles([ranked('a', 0.9), ranked('x', 0.5)], [ranked('x', 0.5)], false);
    expect(rows.map(({ place, own }) => [place, own])).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  it('compares a title only with scores of its kind', () => {
    const items = [{ ...ranked('a', 1), llm: 0.4 }];
    expect(comparable(list({}), list({ basis: 'folded-in' }))).toBe(true);
    expect(comparable(list({ basis: 'popularity' }), list({}))).toBe(false);
    expect(comparable(list({ degraded: true }), list({}))).toBe(false);
    // Only the reasons are missing.
    expect(isCfOrder(list({ degraded: true, items }))).toBe(false);
    expect(comparable(list({ degraded: true, items }), list({}))).toBe(true);
  });
});

it('gives a title the same id every time, and another title another', () => {
  expect(idOf(' Caf\u0065\u0301 ')).toBe(idOf('Caf\u00e9'));
  const ids = new Set(Array.from({ length: 5000 }, (_, i) => idOf(`Title ${i}`)));
  expect(ids.size).toBe(5000);
  for (const id of ids) expect(id).toMatch(/^page-[\da-f]{16}$/);
});

it('writes numbers as people read them', () => {
  expect([change(0.1239), change(-0.0311), change(-0.0001)]).toEqual(['+0.124', '−0.031', '±0.000']);
  expect([counted(1, 'like'), counted(3255, 'like')]).toEqual(['1 like', '3,255 likes']);
  expect([duration(34.2), duration(2140)]).toEqual(['34 ms', '2.1 s']);
});
