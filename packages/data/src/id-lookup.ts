/** Finds dense ids by the ids of the source. */
import { didYouMean, InputError } from '@crossgate/core';

/** Above this many ids, the one that was meant is not looked for. */
const MANY = 20_000;

/** Finds dense ids by the ids of the source. */
export class IdLookup {
  private readonly dense: ReadonlyMap<string, number>;

  /**
   * @param kind `user` or `item`, for messages
   * @param ids by dense id; index 0 is padding
   */
  constructor(
    private readonly kind: 'user' | 'item',
    private readonly ids: readonly string[],
    private readonly dataset: string,
  ) {
    this.dense = new Map(ids.map((id, index) => [id, index] as const).slice(1));
  }

  /** @param place begins the message @throws InputError for an id that the data set does not have */
  find(id: string, place: string): number {
    const found = this.dense.get(id.trim());
    if (found !== undefined) return found;
    const count = this.ids.length - 1;
    const hint = count > MANY ? '' : didYouMean(id, this.ids.slice(1));
    throw new InputError(
      `${this.kind} ${JSON.stringify(id.slice(0, 40))} is not among the ${count} ${this.kind}s of ${this.dataset}${hint}`,
      { code: 'data.unknown-id', place },
    );
  }
}
