/** The methods that `train` knows. A new method is one file and one line here. */
import type { MethodName } from '../config/schema';
import { baselineMethod } from './baselines';
import type { Method } from './method';

export type { Information, Method, MethodContext, MethodOutcome, OpenMethod } from './method';

const METHODS: readonly Method[] = [
  baselineMethod('item-mean'),
  baselineMethod('mean'),
  baselineMethod('running-mean'),
];

/** Finds a method. */
export function findMethod(name: MethodName): Method {
  const method = METHODS.find((candidate) => candidate.name === name);
  if (method === undefined) throw new Error(`method ${name} is not part of this build`);
  return method;
}
