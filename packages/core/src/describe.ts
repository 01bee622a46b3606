/** Words for any error, the system's own included. */
import type { ErrorCode } from './codes';
import { CrossgateError, InputError } from './errors';

/** System error codes that mean "the path you gave is wrong", with the words for them. */
const pathErrors: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EISDIR: 'is a folder where a file is needed',
  ENOTDIR: 'is a file where a folder is needed',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
};

/** System error codes that mean "the disk takes no more", with the words for them and the remedy. */
const diskErrors: Readonly<Record<string, readonly [problem: string, fix: string]>> = {
  ENOSPC: ['no space left on the device', 'free some and run again'],
  EDQUOT: ['your quota of disk space is used up', 'free some and run again'],
  EFBIG: ['the file would be larger than the system allows', 'raise the limit (ulimit -f) and run again'],
  EIO: ['the disk does not answer as it should', 'check it and run again'],
};

interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return (
    error instanceof Error &&
    !(error instanceof CrossgateError) &&
    typeof (error as { code?: unknown }).code === 'string'
  );
}

/** Whether the user must change the input: an `InputError`, or a path that the system refuses. */
export function isInputError(error: unknown): boolean {
  return error instanceof InputError || (isSystemError(error) && error.code in pathErrors);
}

/** An error as data, for programs. */
export interface DescribedError {
  /** See docs/errors.md. */
  readonly code: ErrorCode;
  /** What is wrong and where, at most two lines. */
  readonly message: string;
  /** What to do about it, where the error knows. */
  readonly fix?: string;
}

const twoLines = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, 2)
    .join('\n');

/** Code, message and fix of any error; never a stack. */
export function explainError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { code: 'failed', message: String(error) };
  if (error instanceof CrossgateError) {
    const { code, fix, statement } = error;
    return { code, message: twoLines(statement) || error.name, ...(fix !== undefined && { fix }) };
  }
  if (isSystemError(error)) {
    const words = pathErrors[error.code];
    if (words !== undefined && error.path !== undefined) {
      return { code: 'file.path', message: `${error.path}: ${words}` };
    }
    const disk = diskErrors[error.code];
    if (disk !== undefined)
      return { code: 'file.disk', message: `${error.path ?? 'the disk'}: ${disk[0]}`, fix: disk[1] };
  }
  const code = error.name === 'AbortError' ? 'interrupted' : 'failed';
  return { code, message: twoLines(error.message) || error.name };
}

/** The text shown for an error: at most two lines, never a stack. */
export function describeError(error: unknown): string {
  const { message, fix } = explainError(error);
  return fix === undefined ? message : `${message}; ${fix}`;
}
