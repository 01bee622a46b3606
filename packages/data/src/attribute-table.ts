/** Reads attributes from the cells of a file: several texts in a cell, numbers where every value is one. */
import { InputError } from '@crossgate/core';
import type { Attribute, AttributeType, ItemAttributes } from './attributes';
import { excerpt, isMissingWord, parseDecimal } from './csv-values';
import { ownText } from './own-text';

/** Characters of a value. */
const LONGEST = 256;
/** Values of an item. */
const MOST_OF_ITEM = 256;
/** Different texts of an attribute: more are descriptions or ids, by which nobody filters. */
const MOST = 50_000;

/** How cells are read. */
export interface CellFormat {
  /** Text between the values of a cell. Default: a cell holds one value. */
  readonly separator?: string | undefined;
  /** The sign before fractions. Default: a point. */
  readonly decimal?: '.' | ',' | undefined;
  /** Texts that stand for no value. Default: an empty cell alone. */
  readonly missing?: readonly string[] | undefined;
}

/** A column and, where it is known, the type of its values. */
export interface CellColumn {
  readonly name: string;
  readonly type?: Attribute['type'];
}

/** The texts of a cell, each once. @throws InputError for too many, and for one that is too long */
export function readTexts(cell: string, { separator, missing }: CellFormat, name: string, place: string): string[] {
  const parts = separator === undefined ? [cell] : cell.split(separator);
  const texts = [...new Set(parts.map((part) => part.trim()))].filter(
    (text) => text !== '' && !missing?.includes(text),
  );
  const refuse = (problem: string) =>
    new InputError(problem, { code: 'csv.value', place, fix: `leave ${name} out of the attributes, or shorten it` });
  if (texts.length > MOST_OF_ITEM) throw refuse(`${name} has ${texts.length} values; an item may have ${MOST_OF_ITEM}`);
  const long = texts.find((text) => text.length > LONGEST);
  if (long !== undefined)
    throw refuse(`${name} has a value of ${long.length} characters, ${excerpt(long)}; a value may have ${LONGEST}`);
  return texts;
}

/** The number of a cell; null where it is empty, undefined where it holds something else. */
export function readNumber(cell: string, { decimal = '.', missing }: CellFormat): number | null | undefined {
  const text = cell.trim();
  if (text === '' || missing?.includes(text)) return null;
  const value = parseDecimal(text, decimal);
  // −0 is 0 in JSON.
  return Number.isFinite(value) ? value + 0 : undefined;
}

/** A cell that some items have. */
interface Cell {
  readonly texts: readonly string[];
  readonly number: number | null | undefined;
}

/** One column. Of cells that are alike, one is kept. */
class Column {
  readonly #cellOf = new Map<string, number>();
  readonly #cells: Cell[] = [];
  readonly #texts = new Map<string, string>();
  /** Number of the cell of each row. */
  readonly #rows: number[] = [];
  #numbers = 0;
  #others = 0;
  #firstOther: { readonly text: string; readonly place: string } | undefined;

  constructor(
    readonly column: CellColumn,
    private readonly format: CellFormat,
  ) {}

  add(text: string, place: string): void {
    let at = this.#cellOf.get(text);
    if (at === undefined) {
      at = this.#cells.push(this.#read(text, place)) - 1;
      this.#cellOf.set(ownText(text), at);
    }
    this.#rows.push(at);
    const { texts, number } = this.#cells[at]!;
    if (texts.length === 0) return;
    if (number !== undefined) this.#numbers++;
    else {
      this.#firstOther ??= { text: texts[0]!, place };
      this.#others++;
    }
    if (this.type === 'number' || this.#texts.size <= MOST) return;
    throw new InputError(`${this.column.name} has more than ${MOST} different values, too many to filter by`, {
      code: 'csv.value',
      place,
      fix: this.doubt() ?? 'leave it out of the attributes, or name the separator between values',
    });
  }

  #read(text: string, place: string): Cell {
    const texts = readTexts(text, this.format, this.column.name, place).map((each) => {
      const known = this.#texts.get(each);
      if (known !== undefined) return known;
      const own = ownText(each);
      this.#texts.set(own, own);
      return own;
    });
    return { texts, number: readNumber(text, this.format) };
  }

  get type(): Attribute['type'] {
    return this.column.type ?? (this.#numbers > 0 && this.#others === 0 ? 'number' : 'text');
  }

  of(row: number | undefined): Cell {
    return row === undefined ? NOTHING : this.#cells[this.#rows[row]!]!;
  }

  /** A remark on a column that is nearly all numbers. */
  doubt(): string | undefined {
    const first = this.#firstOther;
    if (this.column.type !== undefined || first === undefined || this.#numbers <= this.#others) return undefined;
    const hint = isMissingWord(first.text)
      ? `; data.csv.missing: [${JSON.stringify(first.text)}] takes it for none`
      : '';
    return (
      `attribute ${this.column.name} is text: ${this.#others} of ${this.#numbers + this.#others} values are no numbers, ` +
      `the first is ${excerpt(first.text)} (${first.place})${hint}`
    );
  }
}

const NOTHING: Cell = { texts: [], number: null };

/** Attributes of items by source id, row by row as a file has them. */
export class AttributeTable {
  readonly #rowOf = new Map<string, number>();
  readonly #columns: readonly Column[];

  constructor(columns: readonly CellColumn[], format: CellFormat = {}) {
    this.#columns = columns.map((column) => new Column(column, format));
  }

  /**
   * Takes an item.
   *
   * @param cells one for each column. @param place of the row, for messages.
   * @throws InputError for a value that is too long, too many values of an item, and too many different ones
   */
  add(id: string, cells: readonly string[], place: string): void {
    this.#rowOf.set(id, this.#rowOf.size);
    for (const [index, column] of this.#columns.entries()) column.add(cells[index]!, place);
  }

  /** The attributes of items. @param ids source ids by dense id; those that are unknown have no values */
  of(ids: readonly string[]): Attribute[] {
    const rows = ids.map((id) => this.#rowOf.get(id));
    return this.#columns.map((column): Attribute => {
      const { name } = column.column;
      return column.type === 'number'
        ? { name, type: 'number', values: rows.map((row) => column.of(row).number ?? null) }
        : { name, type: 'text', values: rows.map((row) => column.of(row).texts) };
    });
  }

  /**
   * What one item has of some attributes.
   *
   * @param types those that are wanted, in the types that they have elsewhere: a cell of texts is given as such, even
   * where a number is wanted.
   */
  item(id: string, types: readonly AttributeType[]): ItemAttributes {
    const row = this.#rowOf.get(id);
    return Object.fromEntries(
      types.flatMap(({ name, type }): [string, readonly string[] | number][] => {
        const { texts, number } = this.#columns.find(({ column }) => column.name === name)?.of(row) ?? NOTHING;
        if (texts.length === 0) return [];
        return [[name, type === 'number' && typeof number === 'number' ? number : texts]];
      }),
    );
  }

  /** Remarks on columns that nearly are numbers. */
  doubts(): string[] {
    return this.#columns.flatMap((column) => column.doubt() ?? []);
  }
}
