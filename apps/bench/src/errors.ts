/** Errors of the command line and their exit codes. */

/** Exit codes of the contract. */
export const ExitCode = { done: 0, failed: 1, badInput: 2, noAdapter: 3, interrupted: 130 } as const;

/** What the user gave cannot be used. Ends with exit code 2. */
export class InputError extends Error {
  override name = 'InputError';
}

/** The user stopped the command. Ends with exit code 130. */
export class InterruptedError extends Error {
  override name = 'InterruptedError';
}

/** The exit code an error ends the process with. Names are compared: every package has its own classes. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Error)) return ExitCode.failed;
  if (error.name === 'InputError') return ExitCode.badInput;
  if (error.name === 'NoAdapterError') return ExitCode.noAdapter;
  if (error.name === 'InterruptedError') return ExitCode.interrupted;
  return ExitCode.failed;
}

/** The text shown for an error: at most two lines, never a stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const lines = error.message.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(0, 2).join('\n') || error.name;
}
