// All methods by name. A new method is one file and one line here.
import { InputError } from '@crossgate/core';
import { ccf } from './ccf';
import { collm } from './collm';
import { instruct, zeroShot } from './in-words';
import type { Method } from './method';
import { softprompt } from './softprompt';
import { tallrec } from './tallrec';

export { ccf } from './ccf';
export { collm } from './collm';
export { instruct, zeroShot } from './in-words';
export * from './method';
export { softprompt } from './softprompt';
export { tallrec } from './tallrec';

/** All methods on a language model. */
export const methods: readonly Method[] = [ccf, collm, softprompt, tallrec, instruct, zeroShot];

/** The method of a name. @throws InputError listing the methods there are. */
export function findMethod(name: string): Method {
  const method = methods.find((candidate) => candidate.name === name);
  if (!method) throw new InputError(`unknown method "${name}"; there are ${methods.map((m) => m.name).join(', ')}`);
  return method;
}
