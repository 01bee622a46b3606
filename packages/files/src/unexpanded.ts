/** Paths as a shell leaves them: what it does not expand or take off there is part of the path. */

/**
 * What to do about a path that is not there.
 *
 * @param path as the user gave it, or made absolute
 * @param advice for a path without signs that a shell left in it
 */
export function pathAdvice(path: string, advice: string): string {
  if (/(^|[\\/])~[\w.-]*[\\/]/.test(path)) {
    return 'the shell does not replace ~ behind =, so write $HOME or the whole path';
  }
  if (/(^|[\\/])(["']).*\2$/.test(path)) return 'the quotes are part of the path, so leave them out';
  return advice;
}
