/** The type in which all ranks of a job multiply. */
import type { Collective } from '@crossgate/collective';
import type { LlamaModel } from '@crossgate/llm';
import type { Session } from '../session';
import { fromAllRanks } from './on-rank-zero';

/**
 * A model in f32 where that of any rank is, though f16 was asked for: each rank tests the matrix units of its own GPU, and
 * all share one loss scale.
 * @param asked `llm.precision` of the config, which is the same on all ranks
 */
export async function inOnePrecision(
  model: LlamaModel,
  asked: LlamaModel['precision'],
  { collective, log }: { readonly collective: Collective; readonly log: Pick<Session['log'], 'warn'> },
): Promise<LlamaModel> {
  if (asked === 'f32') return model;
  const precisions = await fromAllRanks(collective, model.precision);
  if (model.precision === 'f32' || !precisions.includes('f32')) return model;
  log.warn(`rank ${precisions.indexOf('f32')} computes in f32 instead of f16, and so do all`);
  return model.with({ precision: 'f32' });
}
