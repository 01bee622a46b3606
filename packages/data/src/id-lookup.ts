/** Finds dense ids by the ids of the source, letter by letter. */
import { didYouMean, InputError } from '@crossgate/core';

/** With more ids than this, messages suggest no similar one: the search would take too long. */
const MANY = 20_000;

/** Whether an id begins or ends with white space, which is part of it. */
export function hasOuterSpace(id: string): boolean {
  return id !== id.trim();
}

/** The id that differs from another in white space at its ends alone, for messages. */
export function idBesideSpace(id: string, ids: Iterable<string>): string | undefined {
  const bare = id.trim();
  for (const other of ids) if (other !== id && other.trim() === bare) return other;
  return undefined;
}

/** The plain digits of an id that is a whole number, without zeros before and fractions of zero; undefined for others. */
export function sameNumber(id: string): string | undefined {
  return /^\s*0*(\d+?)(?:\.0+)?\s*$/.exec(id)?.[1];
}

/** The id that is the same number in another form, such as `7` for `7.0` or `007`, for messages. */
export function idOfSameNumber(id: string, ids: Iterable<string>): string | undefined {
  const number = sameNumber(id);
  if (number === undefined) return undefined;
  for (const other of ids) if (other !== id && sameNumber(other) === number) return other;
  return undefined;
}

/** Finds the dense ids of users or items by the ids of the source. */
export class IdLookup {
  private readonly dense: ReadonlyMap<string, number>;

  /**
   * @param kind whether these are ids of users or items, for messages.
   * @param ids source ids by dense id; index 0 is padding.
   * @param dataset name of the data set, for messages.
   */
  constructor(
    private readonly kind: 'user' | 'item',
    private readonly ids: readonly string[],
    private readonly dataset: string,
  ) {
    this.dense = new Map(ids.map((id, index) => [id, index] as const).slice(1));
  }

  /**
   * The dense id of a source id. Ids are compared letter by letter; white space at their ends is part of them.
   *
   * @param place where the id comes from: the message begins with it.
   * @throws InputError for an id that the data set does not have, with the most similar one.
   */
  find(id: string, place: string): number {
    const found = this.dense.get(id);
    if (found !== undefined) return found;
    const count = this.ids.length - 1;
    const known = this.ids.slice(1);
    const spaced = idBesideSpace(id, known);
    const hint = spaced === undefined && count <= MANY ? didYouMean(id, known) : '';
    throw new InputError(
      `${this.kind} ${JSON.stringify(id.slice(0, 40))} is not among the ${count} ${this.kind}s of ${this.dataset}${hint}`,
      {
        code: 'data.unknown-id',
        place,
        fix: spaced === undefined ? undefined : `write ${JSON.stringify(spaced)}: white space is part of an id`,
      },
    );
  }
}
