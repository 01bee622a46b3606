/** Filters of items by their attributes: one language for programs, requests and the command line. */
import { InputError } from '@crossgate/core';
import { type Attribute, type AttributeType, findAttribute } from './attributes';
import { CsvSplitter } from './csv';
import { parseDecimal } from './csv-values';

/** What an attribute must be; all that is given must hold. An item without a value passes `none` alone. */
export interface Condition {
  /** Texts of which the item has at least one. */
  readonly any?: readonly string[] | undefined;
  /** Texts that the item has, every one. */
  readonly all?: readonly string[] | undefined;
  /** Texts that the item has none of. */
  readonly none?: readonly string[] | undefined;
  /** The least number. */
  readonly min?: number | undefined;
  /** The greatest number. */
  readonly max?: number | undefined;
}

/** Conditions by the names of attributes. An item must meet all of them. */
export type Where = Readonly<Record<string, Condition>>;

const KEYS = { text: ['any', 'all', 'none'], number: ['min', 'max'] } as const;

/**
 * Checks a filter against the attributes of a data set.
 *
 * @param attributes null: the data were kept by a version that knew none.
 * @param place where the filter comes from; `.NAME.KEY` is added.
 * @throws InputError `data.attribute` for an attribute that there is not, a condition that its type does not take, no
 *   condition at all, and a `min` above `max`
 */
export function checkWhere(attributes: readonly AttributeType[] | null, where: Where, place = 'where'): void {
  for (const [name, condition] of Object.entries(where)) {
    const at = `${place}.${name}`;
    const { type } = findAttribute(attributes, name, at);
    const refuse = (problem: string, key?: string) =>
      new InputError(problem, { code: 'data.attribute', place: key === undefined ? at : `${at}.${key}` });
    const given = Object.entries(condition).flatMap(([key, value]) => (value === undefined ? [] : [key]));
    const takes: readonly string[] = KEYS[type];
    if (given.length === 0) throw refuse(`needs one of ${takes.join(', ')}`);
    const wrong = given.find((key) => !takes.includes(key));
    if (wrong !== undefined) {
      throw refuse(`${name} holds ${type === 'text' ? 'texts' : 'numbers'}, which take ${takes.join(', ')}`, wrong);
    }
    const { min, max } = condition;
    if (Number.isNaN(min) || Number.isNaN(max)) throw refuse('is not a number', Number.isNaN(min) ? 'min' : 'max');
    if (min !== undefined && max !== undefined && min > max) throw refuse(`is ${min}, above max ${max}`, 'min');
  }
}

/**
 * The filter as a function. An empty one passes everything.
 *
 * @returns whether an item passes, by its dense id; it reads `values` as they are when it is called.
 * @throws InputError as {@link checkWhere}
 */
export function itemFilter(attributes: readonly Attribute[] | null, where: Where): (item: number) => boolean {
  checkWhere(attributes, where);
  const tests = Object.entries(where).map(([name, condition]) =>
    testOf(findAttribute(attributes, name, name), condition),
  );
  return (item) => tests.every((test) => test(item));
}

function testOf(attribute: Attribute, { any, all, none, min, max }: Condition): (item: number) => boolean {
  if (attribute.type === 'number') {
    const { values } = attribute;
    const [least, most] = [min ?? Number.NEGATIVE_INFINITY, max ?? Number.POSITIVE_INFINITY];
    return (item) => {
      const value = values[item] ?? null;
      return value !== null && value >= least && value <= most;
    };
  }
  const { values } = attribute;
  const [wanted, needed, unwanted] = [any && new Set(any), new Set(all), new Set(none)];
  return (item) => {
    const texts = values[item] ?? [];
    if (texts.some((text) => unwanted.has(text))) return false;
    if (wanted && !texts.some((text) => wanted.has(text))) return false;
    // The texts of an item are distinct.
    return needed.size === 0 || texts.filter((text) => needed.has(text)).length === needed.size;
  };
}

/** The same filter in one form: names and texts in order, each once. Filters that mean the same may still differ. */
export function orderedWhere(where: Where): Where {
  const texts = (list: readonly string[] | undefined) => list && [...new Set(list)].sort();
  return Object.fromEntries(
    Object.entries(where)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { any, all, none, min, max }]) => {
        const condition = { any: texts(any), all: texts(all), none: texts(none), min, max };
        return [name, Object.fromEntries(Object.entries(condition).filter(([, value]) => value !== undefined))];
      }),
  );
}

/** The form of a condition on the command line. */
const FORM = /^(.+?)(!=|>=|<=|=)(.*)$/s;
const FORMS = 'NAME=VALUE, NAME!=VALUE, NAME>=NUMBER or NAME<=NUMBER';

/**
 * Reads conditions as the command line has them: `genres=Comedy`, `genres=Comedy,Drama` (either), `genres!=Horror`,
 * `price>=5`, `year=1995`. All must hold. A value with a comma stands in quotes, as in CSV.
 *
 * @param place for messages.
 * @throws InputError `data.attribute` for what has none of these forms, and as {@link checkWhere}
 */
export function parseWhere(
  texts: readonly string[],
  attributes: readonly AttributeType[] | null,
  place: string,
): Where {
  const found = new Map<string, { any?: string[]; all?: string[]; none?: string[]; min?: number; max?: number }>();
  for (const text of texts) {
    const at = `${place} ${text}`;
    const refuse = (problem: string, fix?: string) =>
      new InputError(problem, { code: 'data.attribute', place: at, fix });
    const [, name, sign, rest] = (FORM.exec(text) as unknown as [string, string, string, string] | null) ?? [];
    if (name === undefined || rest === undefined || rest.trim() === '')
      throw refuse('is no condition', `write ${FORMS}`);
    const { type } = findAttribute(attributes, name.trim(), at);
    const condition = found.get(name.trim()) ?? {};
    found.set(name.trim(), condition);
    const set = <K extends keyof typeof condition>(key: K, value: NonNullable<(typeof condition)[K]>) => {
      if (condition[key] !== undefined) throw refuse(`${name.trim()} has such a condition already`, 'give one');
      condition[key] = value as (typeof condition)[K];
    };
    if (type === 'number') {
      const value = parseDecimal(rest, '.');
      if (!Number.isFinite(value)) throw refuse(`${name.trim()} holds numbers, and this is none`);
      if (sign === '!=') throw refuse(`${name.trim()} holds numbers, which take =, >= and <=`);
      if (sign !== '<=') set('min', value);
      if (sign !== '>=') set('max', value);
      continue;
    }
    if (sign === '>=' || sign === '<=') throw refuse(`${name.trim()} holds texts, which take = and !=`);
    const values = splitValues(rest, at);
    if (values.length === 0) throw refuse('names no value');
    if (sign === '!=') condition.none = [...(condition.none ?? []), ...values];
    // One more text that an item must have goes with those before; a second choice of several does not.
    else if (values.length === 1) condition.all = [...(condition.all ?? []), ...values];
    else set('any', values);
  }
  const where = Object.fromEntries(found);
  checkWhere(attributes, where, place);
  return where;
}

/** The values of a condition, with commas between. @throws InputError for quotes that do not close */
function splitValues(text: string, place: string): string[] {
  const splitter = new CsvSplitter(place);
  const fields = [...splitter.push(text), ...splitter.end()].flatMap((record) => record.fields);
  return [...new Set(fields.map((field) => field.trim()).filter((field) => field !== ''))];
}
