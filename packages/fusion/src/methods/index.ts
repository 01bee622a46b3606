// All methods by name. A new method is one file and one line here.
import { InputError } from '@crossgate/core';
import { ccf } from './ccf';
import type { Method } from './method';
import { tallrec } from './tallrec';

export { ccf } from './ccf';
export * from './method';
export { tallrec } from './tallrec';

/** All methods on a language model. */
export const methods: readonly Method[] = [ccf, tallrec];

/** The method of a name. @throws InputError listing the methods there are. */
export function findMethod(name: string): Method {
  const method = methods.find((candidate) => candidate.name === name);
  if (!method) throw new InputError(`unknown method "${name}"; there are ${methods.map((m) => m.name).join(', ')}`);
  return method;
}
