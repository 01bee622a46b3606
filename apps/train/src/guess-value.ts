/** Guesses which column of a CSV file says whether a row is a positive. */
import type { InputError } from '@crossgate/core';
import { columnRole } from '@crossgate/data';
import { list, mostMissing, mostOdd, number, type OpenColumns } from './open-columns';

/** A column of ratings, or of labels that are 0 or 1; `implicit`: every row is a positive. */
export type GuessedValue =
  | { readonly kind: 'rating'; readonly column: string; readonly range: [number, number]; readonly counts?: true }
  | { readonly kind: 'label'; readonly column: string; readonly range: [number, number] }
  | { readonly kind: 'implicit' };

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
    const { low, high, numbers } = this.columns.facts(column);
    return { kind: 'label', column, range: numbers > 0 ? [low, high] : [0, 1] };
  }

  private asRating(column: string, isCount: boolean): GuessedValue {
    this.columns.use(column, 'rating');
    const { low, high, words } = this.columns.facts(column);
    if (words.size > 0) this.columns.leaveOut(column, 'rating', words);
    if (low === high) {
      this.columns.notes.push(
        `${column} is ${number(low)} in every row: all are positives; --implicit or data.csv.implicit: true says so`,
      );
    } else if (isCount) {
      this.columns.notes.push(
        `${column} is a count: rows above its median are positives (data.threshold); --implicit or data.csv.implicit: true makes every row one`,
      );
    }
    return { kind: 'rating', column, range: [low, high], ...(isCount ? { counts: true as const } : {}) };
  }

  private namedValue(): GuessedValue | undefined {
    const [labels, ratings, counts] = (['label', 'rating', 'count'] as const).map((role) =>
      this.columns.named(role),
    ) as [string[], string[], string[]];
    const label = labels.find((name) => this.columns.facts(name).isFlag);
    const rating = ratings.find((name) => this.isRating(name));
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
      return used === label ? this.asLabel(used) : this.asRating(used, used !== rating);
    }
    const first = [...ratings, ...labels][0];
    if (first === undefined) return undefined;
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
    const [first] = possible as [string];
    throw this.columns.refusal(
      `${list(shown)} might be the rating or the label`,
      `say --rating ${first} or --label ${first} (data.csv.rating, data.csv.label), or --implicit (data.csv.implicit: true) if every row is a positive`,
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
