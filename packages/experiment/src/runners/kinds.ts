/** Which kind of method a name is of, without the runner of any. */
import { baselines } from '@crossgate/cf/registry';
import { findOwnMethod } from '../config/own-methods';
import { cfMethods, type ExperimentConfig } from '../config/schema';

/** The baseline of a name, if it is one. */
export const baselineOf = (name: string) => baselines.find((candidate) => candidate.name === name);

/** Whether a method is one on a language model, of `@crossgate/fusion`. */
export function isHybrid({ method }: Pick<ExperimentConfig, 'method'>): boolean {
  return !cfMethods().includes(method) && findOwnMethod(method) === undefined && baselineOf(method) === undefined;
}
