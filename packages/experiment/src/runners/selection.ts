/** What the best epoch of a CF training is chosen by, and whether there is such a thing on the data. */
import { rankingTargets } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import { whyNoAuc } from '@crossgate/eval';
import type { ExperimentConfig } from '../config/schema';
import type { RunnerContext } from './runner';

/** `cf.selectBy`; `last` where there are no validation rows to choose by. */
export function selectionOf({ config, dataset }: Pick<RunnerContext, 'config' | 'dataset'>): Selection {
  return dataset.splits.valid.rows === 0 ? 'last' : config.cf.selectBy;
}

/** A value of `cf.selectBy`. */
export type Selection = ExperimentConfig['cf']['selectBy'];

/**
 * Checks, before anything is trained, that the criterion of a CF training is defined on valid.
 *
 * @throws InputError naming `cf.selectBy`, why it is not, and what is
 */
export function checkSelection({ config, dataset }: Pick<RunnerContext, 'config' | 'dataset'>): void {
  const selection = selectionOf({ config, dataset });
  // With the vectors of another run, nothing is trained.
  if (selection === 'last' || config.cf.run !== null) return;
  const refuse = (why: string, instead: string): never => {
    throw new InputError(`${selection} is not defined on valid, which ${why}`, {
      code: 'config.value',
      place: 'cf.selectBy',
      fix: `${instead}set it to last, which keeps the last epoch`,
    });
  };
  const { label } = dataset.splits.valid;
  const { repeats } = config.evaluation.ranking;
  const { targets, targetsLeftOut } = rankingTargets(dataset, 'valid', repeats);
  if (selection === 'auc') {
    const why = whyNoAuc(label);
    if (why === null) return;
    // Lists are made by methods that are CF models.
    const isRanked = targets.size > 0 && config.method === config.cf.model;
    const k = config.evaluation.ranking.k === null ? ' with evaluation.ranking.k: 10' : '';
    refuse(why, isRanked ? `set it to ndcg${k}, or ` : '');
  }
  if (targets.size > 0) return;
  if (targetsLeftOut > 0)
    refuse('has only positives that train has too', 'set evaluation.ranking.repeats to allow, or ');
  refuse('has no positives', '');
}
