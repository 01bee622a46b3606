/** Libraries that only some sources need, loaded when they are. Node only. */
import { CrossgateError, InputError } from '@crossgate/core';

/**
 * Loads a library that may not be installed.
 *
 * @param load imports it.
 * @param name of its package; @param reads what it is needed for, in words.
 * @throws InputError with the command that installs it, or saying that it has no build for this system.
 */
export async function loadOptional<Library>(
  load: () => Promise<Library>,
  name: string,
  reads: string,
): Promise<Library> {
  try {
    return await load();
  } catch (error) {
    if (error instanceof CrossgateError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const isAbsent = message.includes(`'${name}'`) && /cannot find (package|module)/i.test(message);
    throw new InputError(
      isAbsent
        ? `${reads} is read by ${name}, which is not installed`
        : `${reads} is read by ${name}, which does not load on ${process.platform}-${process.arch} (${message.split('\n')[0]})`,
      {
        code: 'data.reader',
        fix: `${isAbsent ? `npm install ${name}` : 'install it again on this machine'}, or write the data as CSV`,
        cause: error,
      },
    );
  }
}
