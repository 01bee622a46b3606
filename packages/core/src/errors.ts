/** Errors that users see: one family, told apart by class and by code, the same in every package. */

import type { ErrorCode } from './codes';

/** What an error says besides the problem. */
export interface ErrorDetails {
  /** Which kind of failure it is, for programs: a stable name of `errorCodes`. Default: that of the class. */
  readonly code?: ErrorCode | undefined;
  /** What to do about it. */
  readonly fix?: string | undefined;
  /** Where it is: a file, with line and column where there are some, a key, or an option. */
  readonly place?: string | undefined;
  /** What was caught and led to this error; becomes `Error.cause`. */
  readonly cause?: unknown;
}

/** An error with a code. Its message is whole: `place: problem; fix`. */
export class CrossgateError extends Error {
  override name = 'CrossgateError';
  /** Which kind of failure it is, for programs. */
  readonly code: ErrorCode;
  /** What to do about it, where that is known. */
  readonly fix: string | undefined;
  /** Where it is: a file, a key or an option. */
  readonly place: string | undefined;

  /** @param problem what is wrong, without place and fix where the details have them */
  constructor(problem: string, details: ErrorDetails = {}, defaultCode: ErrorCode = 'failed') {
    const { code = defaultCode, fix, place, cause } = details;
    super(
      `${place === undefined ? '' : `${place}: `}${problem}${fix === undefined ? '' : `; ${fix}`}`,
      cause === undefined ? undefined : { cause },
    );
    this.code = code;
    this.fix = fix;
    this.place = place;
  }

  /** The message without what to do about it: `place: problem`. */
  get statement(): string {
    // Of the message as it is now: who knows a place from outside puts it in front.
    return this.fix === undefined ? this.message : this.message.slice(0, -`; ${this.fix}`.length);
  }
}

/** Input that the caller must change: an argument, file, key, line, option, shape or limit. */
export class InputError extends CrossgateError {
  override name = 'InputError';

  constructor(problem: string, details: ErrorDetails = {}) {
    super(problem, details, 'input');
  }
}

/** No GPU adapter fits the request. The message lists what was found and what to install. */
export class NoAdapterError extends CrossgateError {
  override name = 'NoAdapterError';

  constructor(problem: string, details: ErrorDetails = {}) {
    super(problem, details, 'gpu.none');
  }
}

/** The user stopped the work (Ctrl-C, an aborted signal). */
export class InterruptedError extends CrossgateError {
  override name = 'InterruptedError';

  constructor(problem = 'interrupted', details: ErrorDetails = {}) {
    super(problem, details, 'interrupted');
  }
}

/** A loss, score or value that is not finite: training diverged and can't go on. What was saved before is good. */
export class NonFiniteLossError extends CrossgateError {
  override name = 'NonFiniteLossError';

  constructor(problem: string, details: ErrorDetails = {}) {
    super(problem, details, 'training.diverged');
  }
}

/** Throws `InterruptedError` once the signal is aborted; called between units of work. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new InterruptedError();
}
