/** The class of errors about bad input, and names in their messages, which stay short whatever a file contains. */
export { InputError } from '@crossgate/gpu';

/** A name from a file for a message: in quotes, and cut after 100 characters. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
