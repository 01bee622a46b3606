/** The runner of every method. One with a language model is declared in `@crossgate/fusion`; others have a line here. */
import { baselineRunner } from './baselines';
import type { Runner } from './runner';

export type { Information, OpenRunner, Outcome, RankingOfSplits, Runner, RunnerContext } from './runner';

/** Loaded when chosen: a command without a GPU should start without the packages that use one. */
const RUNNERS: Readonly<Record<string, () => Runner | Promise<Runner>>> = {
  'item-mean': () => baselineRunner('item-mean'),
  mean: () => baselineRunner('mean'),
  'running-mean': () => baselineRunner('running-mean'),
  mf: async () => (await import('./cf')).cfRunner('mf'),
  lightgcn: async () => (await import('./cf')).cfRunner('lightgcn'),
  sasrec: async () => (await import('./cf')).cfRunner('sasrec'),
  asvd: async () => (await import('./cf')).cfRunner('asvd'),
  'asvd-p': async () => (await import('./cf')).cfRunner('asvd-p'),
};

/** The runner of the method of a checked config. */
export async function findRunner(name: string): Promise<Runner> {
  return RUNNERS[name]?.() ?? (await import('./hybrid')).hybridRunner(name);
}
