/** What is known of items besides ids and titles: genres, a brand, a price. Filters read it; training never does. */
import { didYouMean, InputError } from '@crossgate/core';

/** One attribute of all items: texts, of which an item may have several, or a number. */
export type Attribute = TextAttribute | NumberAttribute;

/** An attribute whose values are texts, compared letter by letter. */
export interface TextAttribute {
  /** Name, as in the source. */
  readonly name: string;
  /** Kind of its values. */
  readonly type: 'text';
  /** By dense item id, 0 (padding) included: the texts of the item, each once; of one without any, none. */
  readonly values: readonly (readonly string[])[];
}

/** An attribute whose values are numbers. */
export interface NumberAttribute {
  /** Name, as in the source. */
  readonly name: string;
  /** Kind of its values. */
  readonly type: 'number';
  /** By dense item id, 0 (padding) included: a finite number, or null where the item has none. */
  readonly values: readonly (number | null)[];
}

/** Name and type of an attribute. */
export type AttributeType = Pick<Attribute, 'name' | 'type'>;

/** The attributes of one item by name: those that it has. */
export type ItemAttributes = Readonly<Record<string, readonly string[] | number>>;

/** What values an attribute has among all items. */
export type AttributeSummary =
  | {
      readonly name: string;
      readonly type: 'text';
      /** The texts with the number of items that have each, the most frequent first. */
      readonly values: readonly { readonly value: string; readonly items: number }[];
    }
  | {
      readonly name: string;
      readonly type: 'number';
      /** The least value; null where no item has one. */
      readonly min: number | null;
      /** The greatest value; null where no item has one. */
      readonly max: number | null;
    };

/** The attributes that an item has. @param item dense id */
export function attributesOf(attributes: readonly Attribute[], item: number): ItemAttributes {
  return Object.fromEntries(
    attributes.flatMap(({ name, values }): [string, readonly string[] | number][] => {
      const value = values[item] ?? null;
      const isThere = typeof value === 'number' || (value !== null && value.length > 0);
      return isThere ? [[name, value]] : [];
    }),
  );
}

/** Sums up each attribute over all items. */
export function summarizeAttributes(attributes: readonly Attribute[]): AttributeSummary[] {
  return attributes.map((attribute): AttributeSummary => {
    const { name, type } = attribute;
    if (type === 'number') {
      let [min, max]: [number | null, number | null] = [null, null];
      for (const value of attribute.values) {
        if (value === null) continue;
        if (min === null || value < min) min = value;
        if (max === null || value > max) max = value;
      }
      return { name, type, min, max };
    }
    const counts = new Map<string, number>();
    for (const texts of attribute.values) for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
    // Stable: of equal counts, what came first stays first.
    const values = Array.from(counts, ([value, items]) => ({ value, items })).sort((a, b) => b.items - a.items);
    return { name, type, values };
  });
}

/**
 * An attribute by its name.
 *
 * @param attributes null: the data were kept by a version that knew none.
 * @param place where the name comes from, for messages.
 * @throws InputError `data.attribute` naming those that there are, or why there are none
 */
export function findAttribute<A extends AttributeType>(
  attributes: readonly A[] | null,
  name: string,
  place: string,
): A {
  const found = attributes?.find((attribute) => attribute.name === name);
  if (found) return found;
  const refuse = (problem: string, fix: string) => new InputError(problem, { code: 'data.attribute', place, fix });
  if (attributes === null) {
    throw refuse(
      'the data were kept without attributes of items, by a version that knew none',
      'read them from the source again: --set data.path=DIR',
    );
  }
  if (attributes.length === 0) {
    throw refuse('the data set has no attributes of items', 'of CSV files, data.csv.attributes names the columns');
  }
  const names = attributes.map((attribute) => attribute.name);
  throw refuse(
    `${JSON.stringify(name.slice(0, 100))} is no attribute of the items`,
    `there are ${names.join(', ')}${didYouMean(name, names)}`,
  );
}

/**
 * Checks that values fit the attributes that a data set has.
 *
 * @param place where the values come from, for messages: the name of the attribute is added.
 * @throws InputError `data.attribute` as {@link findAttribute}, and for a value of the other type
 */
export function checkAttributes(
  attributes: readonly AttributeType[] | null,
  given: ItemAttributes,
  place: string,
): void {
  for (const [name, value] of Object.entries(given)) {
    const at = `${place}.${name}`;
    const { type } = findAttribute(attributes, name, at);
    if (type === 'number' ? typeof value === 'number' && Number.isFinite(value) : typeof value === 'object') continue;
    const [needs, got] = type === 'number' ? ['a number', 'texts'] : ['a list of texts', 'a number'];
    throw new InputError(`must be ${needs}, not ${got}`, { code: 'data.attribute', place: at });
  }
}
