/** Work that rank 0 does for all ranks of a job. */
import type { Collective } from '@crossgate/collective';
import { CrossgateError, explainError, InputError, isInputError } from '@crossgate/core';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value ?? null));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

/** What rank 0 tells the others: a value of JSON, or why there is none. */
type Told<T> = { readonly value: T } | { readonly failure: ReturnType<typeof explainError>; readonly isInput: boolean };

/**
 * Does something on rank 0 alone, and gives its result to all.
 * @param body gives what JSON can hold
 * @throws on every rank what `body` threw on rank 0
 */
export async function onRankZero<T>(collective: Collective, body: () => Promise<T>): Promise<T> {
  if (collective.size === 1) return body();
  if (collective.rank === 0) {
    try {
      const value = await body();
      await collective.broadcast(encode({ value } satisfies Told<T>));
      return value;
    } catch (error) {
      await collective.broadcast(
        encode({ failure: explainError(error), isInput: isInputError(error) } satisfies Told<T>),
      );
      throw error;
    }
  }
  const told = decode(await collective.broadcast(new Uint8Array(0))) as Told<T>;
  // A value of undefined leaves nothing.
  if (!('failure' in told)) return told.value;
  const { message, ...details } = told.failure;
  throw told.isInput ? new InputError(message, details) : new CrossgateError(message, details);
}

/** What every rank says, in the order of the ranks. @param own what JSON can hold */
export async function fromAllRanks<T>(collective: Collective, own: T): Promise<T[]> {
  if (collective.size === 1) return [own];
  return (await collective.allGather(encode(own))).map((bytes) => decode(bytes) as T);
}
