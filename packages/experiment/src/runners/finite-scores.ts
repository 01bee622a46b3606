/** Scores of a model that multiplies in f16, whose values may not fit it: computed again in f32, as in training. */
import { type Log, NonFiniteLossError } from '@crossgate/core';
import type { HybridModel } from '@crossgate/fusion';

type Scoring = Pick<HybridModel, 'multiplyInF32'> & { readonly llm: Pick<HybridModel['llm'], 'precision'> };

/**
 * Whether scores have to be computed again, since one is not finite. The model multiplies in f32 from then on, and a
 * warning says so.
 * @param what is scored, for messages: `test`
 * @throws NonFiniteLossError when it multiplied in f32 already
 */
export function fallsBack(model: Scoring, scores: Float32Array, what: string, log: Pick<Log, 'warn'>): boolean {
  const wrong = scores.find((value) => !Number.isFinite(value));
  if (wrong === undefined) return false;
  if (model.llm.precision === 'f32') {
    throw new NonFiniteLossError(`a score of ${what} is ${wrong}: the model computes values that f32 cannot hold`);
  }
  log.warn(`a score of ${what} is ${wrong}: values do not fit f16; scoring with products in f32 (llm.precision)`);
  model.multiplyInF32();
  return true;
}

/**
 * Scores that are finite, computed twice where they do not fit f16.
 * @param compute by the model as it is then: nothing of an earlier call may be kept, such as keys and values
 * @throws as `fallsBack`
 */
export async function finiteScores(
  model: Scoring,
  what: string,
  log: Pick<Log, 'warn'>,
  compute: () => Promise<Float32Array>,
): Promise<Float32Array> {
  const scores = await compute();
  return fallsBack(model, scores, what, log) ? finiteScores(model, what, log, compute) : scores;
}
