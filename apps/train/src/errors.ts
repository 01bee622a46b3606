/** Errors of the command line, and how any error becomes an exit code and one or two lines of text. */

/** Exit codes of the contract. */
export const ExitCode = { done: 0, failed: 1, badInput: 2, noAdapter: 3, interrupted: 130 } as const;

/** What the user gave cannot be used: a wrong argument, file, key or line. Ends with exit code 2. */
export class InputError extends Error {
  override name = 'InputError';
}

/** No GPU can be used. Ends with exit code 3. */
export class NoAdapterError extends Error {
  override name = 'NoAdapterError';
}

/** The user stopped the command (Ctrl-C). Ends with exit code 130. */
export class InterruptedError extends Error {
  override name = 'InterruptedError';
}

/** A run that failed after a checkpoint: the words of the cause, and that it can go on. Ends with exit code 1. */
export class ResumableError extends Error {
  override name = 'ResumableError';

  constructor(cause: unknown) {
    super(`${describeError(cause)}; with --resume the run goes on from its last checkpoint`, { cause });
    // With --verbose, the place where it happened is of interest, not this one.
    if (cause instanceof Error && cause.stack !== undefined) this.stack = cause.stack;
  }
}

/** Throws `InterruptedError` once the signal is aborted; called between units of work. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new InterruptedError('interrupted');
}

/** System error codes that mean "the path you gave is wrong", with the words for them. */
const PATH_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EISDIR: 'is a folder where a file is needed',
  ENOTDIR: 'is a file where a folder is needed',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
};

/** System error codes that mean "the disk takes no more", with the words for them. */
const DISK_ERRORS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device; free some and run again',
  EDQUOT: 'your quota of disk space is used up; free some and run again',
  EFBIG: 'the file would be larger than the system allows; raise the limit (ulimit -f) and run again',
  EIO: 'the disk does not answer as it should; check it and run again',
};

interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string';
}

/** The exit code an error ends the process with. Names are compared, so that every package can define its own class. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Error)) return ExitCode.failed;
  if (error.name === 'InputError') return ExitCode.badInput;
  if (error.name === 'NoAdapterError') return ExitCode.noAdapter;
  if (error.name === 'InterruptedError' || error.name === 'AbortError') return ExitCode.interrupted;
  if (isSystemError(error) && error.code in PATH_ERRORS) return ExitCode.badInput;
  return ExitCode.failed;
}

/** The text shown for an error: at most two lines, never a stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isSystemError(error)) {
    const words = PATH_ERRORS[error.code];
    if (words !== undefined && error.path !== undefined) return `${error.path}: ${words}`;
    const disk = DISK_ERRORS[error.code];
    if (disk !== undefined) return `${error.path ?? 'the disk'}: ${disk}`;
  }
  const lines = error.message.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(0, 2).join('\n') || error.name;
}
