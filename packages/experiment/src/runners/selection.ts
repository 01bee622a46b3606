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
 * @param andState whether a language model's best state is chosen by AUC too, so that it needs the same remedy
 * @throws InputError naming `cf.selectBy`, why it is not, and what is
 */
export function checkSelection({ config, dataset }: Pick<RunnerContext, 'config' | 'dataset'>, andState = false): void {
  const selection = selectionOf({ config, dataset });
  // With the vectors of another run, nothing is trained.
  if (selection === 'last' || config.cf.run !== null) return;
  const { label } = dataset.splits.valid;
  const refuse = (why: string, instead: string, is = 'is not defined'): never => {
    throw new InputError(`${selection} ${is} on valid, which ${why}`, {
      code: 'config.value',
      place: 'cf.selectBy',
      fix:
        andState && whyNoAuc(label) !== null
          ? `${instead}set it and training.selectBy to last, which keeps the last epoch and the last state`
          : `${instead}set it to last, which keeps the last epoch`,
    });
  };
  const { repeats, negatives } = config.evaluation.ranking;
  const { targets, targetsLeftOut } = rankingTargets(dataset, 'valid', repeats);
  if (selection === 'auc') {
    const why = whyNoAuc(label);
    if (why === null) return;
    // Lists are made by methods that are CF models.
    const isRanked = targets.size > 0 && config.method === config.cf.model;
    const k = config.evaluation.ranking.k === null ? ' with evaluation.ranking.k: 10' : '';
    refuse(why, isRanked ? `set it to ndcg${k}, or ` : '');
  }
  if (targets.size > 0) {
    // Lists of all items hold none without train rows, so that every epoch would be as good.
    const inTrain = new Set(dataset.splits.train.item);
    const isReachable = [...targets.values()].some((items) => items.some((item) => inTrain.has(item)));
    if (!isReachable && negatives === null)
      refuse('has only positives of items without train rows', '', 'is 0 after every epoch');
    return;
  }
  if (targetsLeftOut > 0)
    refuse('has only positives that train has too', 'set evaluation.ranking.repeats to allow, or ');
  refuse('has no positives', '');
}
