/** Bad input is one and the same error class in every GPU package; its messages stay short whatever a file holds. */
export { InputError } from '@crossgate/gpu';

/** A name out of a file in quotes for a message, cut where it is long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
