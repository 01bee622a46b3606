/** The error for input that a user can repair. */

/** Bad input from the user (a malformed row, a missing file, a folder that is not ours), as opposed to a failure of the program. */
export class InputError extends Error {
  override name = 'InputError';
}
