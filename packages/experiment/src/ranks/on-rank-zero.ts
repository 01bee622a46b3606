/** Work that one rank, or each by itself, does for all ranks of a job: they go on together, or fail together. */
import type { Collective } from '@crossgate/collective';
import {
  CrossgateError,
  explainError,
  InputError,
  InterruptedError,
  isInputError,
  NoAdapterError,
} from '@crossgate/core';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value ?? null));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

/** Why a rank fails, as it tells others. */
type Failure = ReturnType<typeof explainError> & { readonly isInput: boolean };

/** What rank 0 tells the others: a value of JSON, or why there is none. */
type Told<T> = { readonly value: T } | { readonly failure: Failure };

const failureOf = (error: unknown): Failure => ({ ...explainError(error), isInput: isInputError(error) });

/** An error that ends this rank as it ended the other. */
function errorOf({ message, isInput, ...details }: Failure): CrossgateError {
  if (isInput) return new InputError(message, details);
  if (details.code === 'interrupted') return new InterruptedError(message, details);
  return details.code === 'gpu.none' ? new NoAdapterError(message, details) : new CrossgateError(message, details);
}

/**
 * Does something on rank 0 alone, and gives its result to all.
 * @param body gives what JSON can hold
 * @throws on every rank what `body` threw on rank 0
 */
export async function onRankZero<T>(collective: Collective, body: () => Promise<T>): Promise<T> {
  if (collective.size === 1) return body();
  if (collective.rank === 0) {
    let value: T;
    try {
      value = await body();
    } catch (error) {
      await collective.broadcast(encode({ failure: failureOf(error) } satisfies Told<T>));
      throw error;
    }
    await collective.broadcast(encode({ value } satisfies Told<T>));
    return value;
  }
  const told = decode(await collective.broadcast(new Uint8Array(0))) as Told<T>;
  // A value of undefined leaves nothing.
  if (!('failure' in told)) return told.value;
  throw errorOf(told.failure);
}

/**
 * Does a part on every rank by itself, without calls of the collective.
 * @param undo is given what `body` gave on this rank, where it failed on another
 * @throws as {@link failTogether}
 */
export async function onEveryRank<T>(
  collective: Collective,
  body: () => Promise<T>,
  undo: (value: T) => Promise<void> = async () => {},
): Promise<T> {
  if (collective.size === 1) return body();
  let done: { readonly value: T } | undefined;
  let failure: unknown;
  try {
    done = { value: await body() };
  } catch (error) {
    failure = error;
  }
  try {
    await failTogether(collective, failure);
  } catch (error) {
    if (done) await undo(done.value);
    throw error;
  }
  return done!.value;
}

/**
 * Ends a part that every rank does by itself: where one failed, all fail.
 * @param failure what was thrown on this rank; undefined where nothing was
 * @throws on every rank what the first rank that failed threw, which the others call by its number
 */
export async function failTogether(collective: Collective, failure: unknown): Promise<void> {
  const failures = await fromAllRanks(collective, failure === undefined ? null : failureOf(failure));
  for (const [rank, each] of failures.entries()) {
    if (each === null) continue;
    throw rank === collective.rank ? failure : errorOf({ ...each, message: `rank ${rank}: ${each.message}` });
  }
}

/** What every rank says, in the order of the ranks. @param own what JSON can hold */
export async function fromAllRanks<T>(collective: Collective, own: T): Promise<T[]> {
  if (collective.size === 1) return [own];
  return (await collective.allGather(encode(own))).map((bytes) => decode(bytes) as T);
}
