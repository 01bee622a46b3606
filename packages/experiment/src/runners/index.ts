/** The runner of every method: baselines are here, models are asked of `@crossgate/cf`, those with an LLM of `@crossgate/fusion`. */
import { findOwnMethod, type OwnMethodName } from '../config/own-methods';
import { cfMethods, type ExperimentConfig } from '../config/schema';
import { baselineRunner } from './baselines';
import type { Runner } from './runner';

export type { Information, OpenRunner, Outcome, RankingOfSplits, Runner, RunnerContext } from './runner';

/** Loaded when chosen: a command without a GPU should start without the packages that use one. */
const RUNNERS: Readonly<Record<OwnMethodName, () => Runner | Promise<Runner>>> = {
  'item-mean': () => baselineRunner('item-mean'),
  mean: () => baselineRunner('mean'),
  'running-mean': () => baselineRunner('running-mean'),
  'api-llm': async () => (await import('./api-llm')).apiLlmRunner,
};

/** Whether a method is one on a language model, of `@crossgate/fusion`. */
export function isHybrid({ method }: Pick<ExperimentConfig, 'method'>): boolean {
  return !cfMethods().includes(method) && !Object.hasOwn(RUNNERS, method);
}

/** The runner of the method of a checked config. */
export async function findRunner(name: string): Promise<Runner> {
  if (findOwnMethod(name) !== undefined) return RUNNERS[name as OwnMethodName]();
  if (cfMethods().includes(name)) return (await import('./cf')).cfRunner(name);
  return (await import('./hybrid')).hybridRunner(name);
}
