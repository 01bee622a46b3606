/** The methods that `train` knows. One with a language model is declared in `@crossgate/fusion`; others have a line here. */
import { baselineMethod } from './baselines';
import type { Method } from './method';

export type { Information, Method, MethodContext, MethodOutcome, OpenMethod, RankingOfSplits } from './method';

/** Loaded when chosen: a command without a GPU should start without the packages that use one. */
const METHODS: Readonly<Record<string, () => Method | Promise<Method>>> = {
  'item-mean': () => baselineMethod('item-mean'),
  mean: () => baselineMethod('mean'),
  'running-mean': () => baselineMethod('running-mean'),
  mf: async () => (await import('./cf')).cfMethod('mf'),
  lightgcn: async () => (await import('./cf')).cfMethod('lightgcn'),
  sasrec: async () => (await import('./cf')).cfMethod('sasrec'),
  asvd: async () => (await import('./cf')).cfMethod('asvd'),
  'asvd-p': async () => (await import('./cf')).cfMethod('asvd-p'),
};

/** The method of a checked config. */
export async function findMethod(name: string): Promise<Method> {
  return METHODS[name]?.() ?? (await import('./hybrid')).hybridMethod(name);
}
