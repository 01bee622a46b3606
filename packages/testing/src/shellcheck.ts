/** The checker of shell scripts of this machine, for tests. */
import { findProgram } from './programs';

/** What to say of tests that are skipped for want of it. */
export const noShellcheck = 'no shellcheck: apt-get install shellcheck, or set CROSSGATE_SHELLCHECK';

/**
 * The program that CROSSGATE_SHELLCHECK names, else the `shellcheck` on the path; null when there is none.
 * @throws Error when CROSSGATE_SHELLCHECK names what is no program: whoever sets it wants no test to be skipped
 */
export function findShellcheck(env?: Readonly<Record<string, string | undefined>>): string | null {
  return findProgram({ variable: 'CROSSGATE_SHELLCHECK', names: ['shellcheck'] }, env);
}
