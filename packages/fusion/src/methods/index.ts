// All methods by name. A new method is one file, and here an import, an export and an entry in the list.
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
  if (!method) {
    const names = methods.map((each) => each.name).join(', ');
    throw new InputError(`unknown method "${name}"`, { code: 'config.value', fix: `there are ${names}` });
  }
  return method;
}

/** Methods with a prompt that names what CF recommends. */
export const methodsWithNeighbors: readonly Method[] = methods.filter(
  (method) => method.neighborsTemplate !== undefined,
);

/**
 * The method as it is run: with the prompt that names what CF recommends, or without the slot for it.
 * @throws InputError for a method without such a prompt
 */
export function withNeighbors(method: Method, neighbors: boolean): Method {
  if (!neighbors) {
    const slots = Object.entries(method.slots).filter(([, slot]) => !('titles' in slot && slot.titles === 'neighbors'));
    return { ...method, slots: Object.fromEntries(slots) };
  }
  const { neighborsTemplate: template } = method;
  if (template !== undefined) return { ...method, template };
  throw new InputError(`the prompt of ${method.name} names no neighbors`, {
    code: 'config.value',
    place: 'prompt.neighbors',
    fix: `leave it out, or choose the method ${methodsWithNeighbors.map(({ name }) => name).join(' or ')}`,
  });
}
