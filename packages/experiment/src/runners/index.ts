/**
 * The runner of every method: baselines are here, models are asked of `@crossgate/cf`, those with an LLM of
 * `@crossgate/fusion`.
 */
import { findOwnMethod, type OwnMethodName } from '../config/own-methods';
import { cfMethods } from '../config/schema';
import { baselineOf } from './kinds';
import type { Runner } from './runner';

export { isHybrid } from './kinds';
export type { OpenRunner, Outcome, RankingOfSplits, Runner, RunnerContext } from './runner';

/** Loaded when chosen: a command without a GPU should start without the packages that use one. */
const RUNNERS: Readonly<Record<OwnMethodName, () => Promise<Runner>>> = {
  'api-llm': async () => (await import('./api-llm')).apiLlmRunner,
};

/** The runner of the method of a checked config. */
export async function findRunner(name: string): Promise<Runner> {
  const baseline = baselineOf(name);
  if (baseline !== undefined) return (await import('./baselines')).baselineRunner(baseline);
  if (findOwnMethod(name) !== undefined) return RUNNERS[name as OwnMethodName]();
  if (cfMethods().includes(name)) return (await import('./cf')).cfRunner(name);
  return (await import('./hybrid')).hybridRunner(name);
}
