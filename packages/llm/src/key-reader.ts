/** Reads typed keys of configurations. Every complaint names the file and the key. */
import { InputError } from '@crossgate/tensor';

/** Number of unknown settings that a warning lists. */
const mostListed = 8;

/** Is told what a user should know of a file that is read all the same. */
export type Warn = (warning: string) => void;

/** Reads typed keys from a record of unknown content. Every complaint names the source and the key. */
export class KeyReader {
  /** Name of the file in messages. */
  readonly source: string;
  readonly #get: (key: string) => unknown;
  readonly #warn: Warn;
  readonly #read = new Set<string>();

  /** @param warn told of what may be meant otherwise than it is read */
  constructor(source: string, get: (key: string) => unknown, warn: Warn = () => {}) {
    this.source = source;
    this.#get = get;
    this.#warn = warn;
  }

  /** @throws {InputError} always: the file is damaged, or contradicts itself. */
  fail(problem: string): never {
    throw new InputError(problem, { code: 'model.damaged', place: this.source });
  }

  /** @throws {InputError} always: the file is valid, but asks for what is not supported. */
  refuse(problem: string): never {
    throw new InputError(problem, { code: 'model.unsupported', place: this.source });
  }

  /** Tells the user something about the file. */
  warn(problem: string): void {
    this.#warn(`${this.source}: ${problem}`);
  }

  /**
   * Tells the user which settings are not known.
   *
   * @param unknown each with its value.
   * @param what they might change.
   */
  warnOfUnknown(unknown: readonly string[], what: string): void {
    if (unknown.length === 0) return;
    const rest = unknown.length > mostListed ? ` and ${unknown.length - mostListed} more` : '';
    this.warn(
      `not known here: ${unknown.slice(0, mostListed).join(', ')}${rest}; if that changes what ${what}, results differ.`,
    );
  }

  /** The value; undefined if it is absent or null. */
  value(key: string): unknown {
    this.#read.add(key);
    return this.#get(key) ?? undefined;
  }

  /** Those of the keys that nothing has asked for yet: what the reader does not know. */
  unread(keys: Iterable<string>): string[] {
    return [...keys].filter((key) => !this.#read.has(key));
  }

  #number(key: string, fallback: number | undefined, valid: (value: number) => boolean, expected: string): number {
    const value = this.value(key) ?? fallback;
    if (value === undefined) return this.fail(`${key} is missing; ${expected} is needed.`);
    if (typeof value !== 'number' || !valid(value)) {
      return this.fail(`${key} is ${shown(value)}, but must be ${expected}.`);
    }
    return value;
  }

  /** A whole number from 1 to `most`. */
  count(key: string, most: number, fallback?: number): number {
    return this.#number(
      key,
      fallback,
      (v) => Number.isInteger(v) && v >= 1 && v <= most,
      `a whole number from 1 to ${most}`,
    );
  }

  /** A finite number above 0. */
  positive(key: string, fallback?: number): number {
    return this.#number(key, fallback, (v) => Number.isFinite(v) && v > 0, 'a number above 0');
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    return typeof value === 'boolean' ? value : this.fail(`${key} is ${shown(value)}, but must be true or false.`);
  }

  /** Token ids given as one number, a list, or not at all. Those that are none are left out: the tokenizer tells of them. */
  tokenIds(key: string, vocabSize: number): number[] {
    const value = this.value(key);
    const list: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
    const wrong = list.find((id) => !Number.isInteger(id));
    if (wrong !== undefined) this.fail(`${key} holds ${shown(wrong)}, but must hold token ids.`);
    return (list as number[]).filter((id) => id >= 0 && id < vocabSize);
  }
}

/** A value as text for a message. Metadata may hold bigints, and arrays of any length. */
export function shown(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (ArrayBuffer.isView(value)) return `an array of ${(value as Uint8Array).length} numbers`;
  if (Array.isArray(value) && (value.length > 4 || value.some((item) => typeof item === 'object'))) {
    return `an array of ${value.length} entries`;
  }
  const text = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item)) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Whether a value is what a setting has that is off: absent, false, 0, or empty. */
export function isOff(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isRecord(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0 || value === '';
}

/** True for an object that is no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
