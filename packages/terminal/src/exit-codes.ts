/** Exit codes of the contract. */
import { InterruptedError, isInputError, NoAdapterError } from '@crossgate/core';

/** What a process ends with. */
export const ExitCode = { done: 0, failed: 1, badInput: 2, noAdapter: 3, interrupted: 130 } as const;

/** The exit code an error ends the process with. */
export function exitCodeOf(error: unknown): number {
  if (isInputError(error)) return ExitCode.badInput;
  if (error instanceof NoAdapterError) return ExitCode.noAdapter;
  const stopped = error instanceof InterruptedError || (error instanceof Error && error.name === 'AbortError');
  return stopped ? ExitCode.interrupted : ExitCode.failed;
}
