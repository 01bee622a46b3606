/** The error for labels and scores that cannot be evaluated. */

/** Bad input from the user (a NaN score, a label other than 0 and 1), as opposed to a failure of the program. */
export class InputError extends Error {
  override name = 'InputError';
}
