/** Guesses which column of a CSV file says whether a row is a positive. */
import type { InputError } from '@crossgate/core';
import { columnRole } from '@crossgate/data';
import { list, mostMissing, mostOdd, number, type OpenColumns } from './open-columns';

/**
 * A column of ratings, or of labels that are 0 or 1; `implicit`: every row is a positive. `onlyPositives`: so is every row
 * by its value.
 */
export type GuessedValue =
  | {
      readonly kind: 'rating';
      readonly column: string;
      readonly range: [number, number];
      /** The range without a number that lies apart and may stand for no rating. */
      readonly scale?: [number, number];
      readonly counts?: true;
      readonly onlyPositives?: true;
    }
  | {
      readonly kind: 'label';
      readonly column: string;
      readonly range: [number, number];
      readonly onlyPositives?: true;
    }
  | { readonly kind: 'implicit' };

/** A rating of zero in this share of the rows, more than any other, may stand for none. */
const manyZeros = 0.3;

/** A number that lies apart from all other ratings of a column and may stand for none: -1, 99, or 0 in most rows. */
function apartFrom(
  distinct: ReadonlyMap<number, { readonly text: string; readonly count: number }>,
  rows: number,
): { value: number; text: string; count: number } | undefined {
  const values = [...distinct.keys()].sort((a, b) => a - b);
  if (values.length < 3) return undefined;
  const [first, second] = values as [number, number];
  const [beforeLast, last] = values.slice(-2) as [number, number];
  const of = (value: number) => ({ value, ...(distinct.get(value) as { text: string; count: number }) });
  if (first < 0 && second >= 0) return of(first);
  const most = Math.max(...[...distinct.values()].map(({ count }) => count));
  const { count } = of(first);
  if (first === 0 && values.length > 3 && count === most && count >= manyZeros * rows) return of(first);
  // Above every usual scale, and farther from the others than they are from one another.
  return values.length > 4 && last > 10 && last - beforeLast > beforeLast - first ? of(last) : undefined;
}

class ValueGuess {
  constructor(private readonly columns: OpenColumns) {}

  find(): GuessedValue {
    const { label, rating, implicit } = this.columns.told;
    if (implicit) return { kind: 'implicit' };
    if (label !== undefined) {
      const name = this.columns.toldColumn('--label', label);
      if (!this.columns.facts(name).isFlag) throw this.notAll(name, '0 or 1', 'label');
      return this.asLabel(name);
    }
    if (rating !== undefined) {
      const name = this.columns.toldColumn('--rating', rating);
      if (!this.isRating(name)) throw this.notAll(name, 'numbers', 'rating');
      return this.asRating(name, this.columns.isNamed && columnRole(name)?.role === 'count');
    }
    return this.namedValue() ?? this.unnamedValue();
  }

  /** Whether a column holds numbers, but for a few words. */
  private isRating(name: string): boolean {
    const { numbers, present } = this.columns.facts(name);
    return numbers > 0 && present - numbers <= mostOdd * present && this.columns.facts(name).words.size <= 5;
  }

  private notAll(name: string, what: string, key: string): InputError {
    const word = [...this.columns.facts(name).words][0];
    const got = word === undefined ? '' : ` (${JSON.stringify(word[0])} in line ${word[1].line})`;
    return this.columns.refusal(
      `${name} holds other values than ${what}${got}`,
      `choose another --${key} (data.csv.${key})`,
    );
  }

  private asLabel(column: string): GuessedValue {
    this.columns.use(column, 'label');
    const { low, high, numbers, positives, present } = this.columns.facts(column);
    const onlyPositives = positives === present;
    if (onlyPositives) this.sayConstant(column, '1');
    if (positives === 0) this.columns.notes.push(`${column} is 0 in every row: there is no positive to learn from`);
    const range: [number, number] = numbers > 0 ? [low, high] : [0, 1];
    return { kind: 'label', column, range, ...(onlyPositives ? { onlyPositives } : {}) };
  }

  private sayConstant(column: string, value: string): void {
    this.columns.notes.push(
      `${column} is ${value} in every row: all are positives; --implicit or data.csv.implicit: true says so`,
    );
  }

  /** The range of the ratings beside a number that lies apart from them, which may stand for no rating. */
  private scaleOf(column: string): [number, number] | undefined {
    const { distinct = new Map(), numbers } = this.columns.facts(column);
    const apart = apartFrom(distinct, numbers);
    if (apart === undefined) return undefined;
    const others = [...distinct.keys()].filter((value) => value !== apart.value);
    const scale: [number, number] = [Math.min(...others), Math.max(...others)];
    const text = JSON.stringify(apart.text);
    this.columns.notes.push(
      `${column} is ${apart.text} in ${apart.count} of ${numbers} rows and ${number(scale[0])} to ${number(scale[1])} in the others: if it is no rating there, data.csv.missing: [${text}] leaves these rows out`,
    );
    return scale;
  }

  private asRating(column: string, isCount: boolean): GuessedValue {
    this.columns.requireNumbers(column);
    this.columns.use(column, 'rating');
    const { low, high, words } = this.columns.facts(column);
    if (words.size > 0) this.columns.leaveOut(column, 'rating', words);
    if (low === high) {
      this.sayConstant(column, number(low));
      return { kind: 'rating', column, range: [low, high], onlyPositives: true };
    }
    if (!isCount) {
      const scale = this.scaleOf(column);
      return { kind: 'rating', column, range: [low, high], ...(scale === undefined ? {} : { scale }) };
    }
    this.columns.notes.push(
      `${column} is a count: rows above its median are positives (data.threshold); --implicit or data.csv.implicit: true makes every row one`,
    );
    return { kind: 'rating', column, range: [low, high], counts: true };
  }

  private namedValue(): GuessedValue | undefined {
    const [labels, ratings, counts] = (['label', 'rating', 'count'] as const).map((role) =>
      this.columns.named(role),
    ) as [string[], string[], string[]];
    const flags = labels.filter((name) => this.columns.facts(name).isFlag);
    const rating = ratings.find((name) => this.isRating(name));
    // What somebody thinks of an item tells more than what they did with it.
    const label = flags.find((name) => rating === undefined || !columnRole(name)?.isDeed);
    const count = [...labels, ...counts].find(
      (name) => this.columns.facts(name).isNumeric && !this.columns.facts(name).isFlag,
    );
    const others = (used: string) => {
      const rest = [...labels, ...ratings, ...counts].filter(
        (name) => name !== used && this.columns.facts(name).numbers > 0,
      );
      if (rest.length > 0)
        this.columns.notes.push(
          `${list(rest)} may be meant instead of ${used}: --rating or --label (data.csv.rating, data.csv.label) chooses`,
        );
    };
    const used = label ?? rating ?? count;
    if (used !== undefined) {
      others(used);
      if (used !== label) this.requirePresent(used);
      if (used === label) return this.asLabel(used);
      const { low, high } = this.columns.facts(used);
      const isCount = used !== rating && low >= 0 && high > 2;
      if (used !== rating && !isCount && low < high) {
        this.columns.notes.push(
          `${used} runs from ${number(low)} to ${number(high)}, and is no label of 0 and 1: above ${number((low + high) / 2)} is a positive (data.threshold)`,
        );
      }
      return this.asRating(used, isCount);
    }
    const first = [...ratings, ...labels, ...counts][0];
    if (first === undefined) return undefined;
    this.columns.requireNumbers(first);
    const { first: value } = this.columns.facts(first);
    const got = value === undefined ? 'is empty' : `is ${JSON.stringify(value.text)} in line ${value.line}`;
    throw this.columns.refusal(
      `no column holds ratings (numbers) or labels (0 or 1) (it has ${list(this.columns.names)}; ${first} ${got})`,
      'add one named rating or label, or say --rating COLUMN, --label COLUMN (data.csv.rating, data.csv.label) or --implicit (data.csv.implicit: true, every row a positive)',
    );
  }

  /** A rating that most rows lack tells nothing of these rows. */
  private requirePresent(name: string): void {
    const { missingCount } = this.columns.facts(name);
    if (missingCount <= mostMissing * this.columns.survey.rows) return;
    throw this.columns.refusal(
      `${missingCount} of ${this.columns.survey.rows} rows have no ${name}`,
      `say --rating ${name} to leave them out, or --implicit (data.csv.implicit: true) to take every row for a positive`,
    );
  }

  /** Without a name that tells, numbers may be anything: only the user knows. */
  private unnamedValue(): GuessedValue {
    const possible = this.columns.unnamed.filter((name) => {
      const { isNumeric, isFlag, low, high } = this.columns.facts(name);
      return isFlag || (isNumeric && low < high);
    });
    if (possible.length === 0) return { kind: 'implicit' };
    const shown = possible.map((name) => {
      const { low, high, isFlag, numbers } = this.columns.facts(name);
      return isFlag && numbers === 0 ? `${name} (true or false)` : `${name} (${number(low)} to ${number(high)})`;
    });
    const numeric = possible.find((name) => this.columns.facts(name).isNumeric);
    const flag = possible.find((name) => this.columns.facts(name).isFlag);
    const ways = [
      ...(numeric === undefined ? [] : [`--rating ${numeric} (data.csv.rating)`]),
      ...(flag === undefined ? [] : [`--label ${flag} (data.csv.label)`]),
    ];
    throw this.columns.refusal(
      `${list(shown)} might be the rating or the label`,
      `say ${ways.join(' or ')}, or --implicit (data.csv.implicit: true) if every row is a positive`,
    );
  }
}

/**
 * Guesses what makes a row a positive: what was told, else a column whose name says that it holds labels, ratings or
 * counts. Without such a name every row is a positive only if no column of numbers might be the rating.
 *
 * @throws InputError naming the columns that might be, and the options and keys that decide
 */
export function guessValue(columns: OpenColumns): GuessedValue {
  return new ValueGuess(columns).find();
}
