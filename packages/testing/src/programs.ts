/** Programs of this machine that tests start: found by a variable or on the path. Loads nothing else. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What is looked for. */
export interface WantedProgram {
  /** The variable that names the program; it comes before all other places. */
  readonly variable: string;
  /** Its names on the path, the first that is there. */
  readonly names: readonly string[];
  /** Folders behind the path. Default: none. */
  readonly folders?: readonly string[];
}

/**
 * Finds a program.
 * @returns its path; null when there is none
 * @throws Error when the variable names what is no program: whoever sets it wants no test to be skipped
 */
export function findProgram(
  { variable, names, folders = [] }: WantedProgram,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | null {
  const named = env[variable];
  if (named) {
    if (isProgram(named)) return named;
    throw new Error(`${variable} is ${named}, which is no program`);
  }
  const places = [...(env.PATH ?? '').split(delimiter).filter(Boolean), ...folders];
  return names.flatMap((name) => places.map((folder) => join(folder, name))).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
