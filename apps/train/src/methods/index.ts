/** The methods that `train` knows. A new method is one file and one line here. */
import type { MethodName } from '../config/schema';
import { baselineMethod } from './baselines';
import type { Method } from './method';

export type { Information, Method, MethodContext, MethodOutcome, OpenMethod } from './method';

/** Loaded when chosen: a command without a GPU should start without the packages that use one. */
const METHODS: Readonly<Record<MethodName, () => Method | Promise<Method>>> = {
  'item-mean': () => baselineMethod('item-mean'),
  mean: () => baselineMethod('mean'),
  'running-mean': () => baselineMethod('running-mean'),
  mf: async () => (await import('./mf')).mf,
  tallrec: async () => (await import('./hybrid')).hybridMethod('tallrec'),
  ccf: async () => (await import('./hybrid')).hybridMethod('ccf'),
};

/** Finds a method. */
export async function findMethod(name: MethodName): Promise<Method> {
  return METHODS[name]();
}
