/** In which type a finished run multiplies when it is opened again. */
import type { ExperimentConfig } from '../config/schema';

/**
 * That of its config, unless the run came to compute in f32: its parameters are then those of a model in f32, and its
 * values do not fit f16, or the matrix units failed their test.
 * @param asked `llm.precision` of the config, with what was set
 * @param details of result.json; runs of earlier versions tell no precision
 * @param set `--set` arguments: one for `llm.precision` counts
 */
export function precisionToOpen(
  asked: ExperimentConfig['llm']['precision'],
  details: unknown,
  set: readonly string[],
): ExperimentConfig['llm']['precision'] {
  if (set.some((argument) => argument.split('=', 1)[0] === 'llm.precision')) return asked;
  return (details as { readonly precision?: unknown } | null | undefined)?.precision === 'f32' ? 'f32' : asked;
}
