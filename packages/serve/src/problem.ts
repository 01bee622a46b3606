/** What goes wrong, as an answer: one shape for every refusal. */
import { CrossgateError, InputError } from '@crossgate/core';

/** Codes of refusals with their status and meaning. A code keeps its meaning; new ones are added. */
export const problemCodes = {
  invalid: [400, 'A body, query or header that is not what the endpoint takes; `path` names the place.'],
  token: [401, 'No token, or none of those that the server knows.'],
  host: [403, 'A `Host` header that names no host of this server.'],
  'not-found': [404, 'No such endpoint.'],
  'unknown-user': [404, 'A user of whom neither the run nor an event knows.'],
  'unknown-item': [404, 'An item that neither the run nor `POST /v1/items` knows.'],
  method: [405, 'An endpoint that does not take this method; the header `Allow` lists those that it takes.'],
  timeout: [408, 'A request that did not arrive in time.'],
  conflict: [409, 'An id of an event or item that is known with other content.'],
  'too-large': [413, 'A body beyond the limit.'],
  'media-type': [415, 'A body that is not uncompressed `application/json`.'],
  unsupported: [422, 'Something that this run cannot answer, such as similar items without CF.'],
  busy: [429, 'More requests than the server can hold; come back after `Retry-After` seconds.'],
  rate: [429, 'More requests with one token than its limit; come back after `Retry-After` seconds.'],
  'headers-too-large': [431, 'Headers beyond the limit.'],
  failed: [500, 'A fault of the server.'],
  stopping: [503, 'The server is stopping.'],
  lost: [503, 'The GPU was lost or does not answer; the process ends and must be started anew.'],
  state: [503, 'The state file cannot be written; nothing was taken.'],
  deadline: [
    504,
    'The deadline passed, and CF cannot answer instead: the run has none, or it knows nothing of an item.',
  ],
} as const satisfies Record<string, readonly [status: number, meaning: string]>;

/** A code of a refusal. */
export type ProblemCode = keyof typeof problemCodes;

/** What a refusal says besides its message. */
export interface ProblemDetails {
  /** Where in the request: `history[2]`, or the name of a header or parameter. */
  readonly path?: string | undefined;
  /** What to do about it. */
  readonly fix?: string | undefined;
  /** Seconds until it is worth asking again. */
  readonly retryAfter?: number | undefined;
  /** Methods that the endpoint takes, for code `method`. */
  readonly allow?: string | undefined;
  /** What was caught and led to it. */
  readonly cause?: unknown;
}

/** A refusal of a request. Its message holds no path, stack or key of the server. */
export class Problem extends Error {
  override name = 'Problem';
  /** Which kind of refusal it is. */
  readonly code: ProblemCode;
  /** Status of the answer. */
  readonly status: number;
  /** What it says besides. */
  readonly details: ProblemDetails;

  constructor(code: ProblemCode, message: string, details: ProblemDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = problemCodes[code][0];
    this.details = details;
  }
}

/** The body of a refusal. */
export function problemBody({ code, message, details: { path, fix } }: Problem, requestId: string) {
  return {
    error: { code, message, ...(path !== undefined && { path }), ...(fix !== undefined && { fix }) },
    requestId,
  };
}

/** The text without paths of this machine: `/srv/runs/a.csv: no such file` becomes `[path]: no such file`. */
export function withoutPaths(text: string): string {
  return text
    .replace(/(['"`])[^'"`\n]*[\\/][^'"`\n]*\1/g, '$1[path]$1')
    .replace(/[\w.@~-]*(?:\b[A-Za-z]:)?[\\/][^\s'"`,;:)]+/g, '[path]');
}

/** Whether the GPU is gone: nothing works in this process any more. */
export function isLost(error: unknown): boolean {
  return error instanceof CrossgateError && error.code === 'gpu.lost';
}

/** The refusal that any error becomes. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isLost(error)) return new Problem('lost', 'the GPU was lost', { cause: error, retryAfter: 10 });
  if (error instanceof InputError) {
    // The fixes of the library are for command lines.
    return new Problem('unsupported', withoutPaths(error.statement), { cause: error });
  }
  return new Problem('failed', 'the server could not answer', { cause: error });
}

/** What the log says of an unexpected error: its class and message, without paths and stack. */
export function describeForLog(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no error was thrown';
  const [first = ''] = error.message.split('\n');
  return `${error.name}: ${withoutPaths(first).slice(0, 300)}`;
}
