/** Of whom a trained CF model knows more than of anybody. */
import { type CfModel, knowsUser, learnedRows, type UserFolding } from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import { type ExperimentConfig, LOSSES } from '../config/schema';
import type { CfDetails } from './cf-model';

type Loss = ExperimentConfig['cf']['loss'];

/**
 * Whether a model has anything of a user to go by.
 *
 * A loss on positives leaves the vector of who only dislikes as it was drawn, which says nothing of the user.
 * @param details of the model's training, which name its loss
 * @param config for models of runs that did not say
 */
export function knownUsers(
  model: CfModel,
  dataset: Dataset,
  details: CfDetails,
  { cf }: Pick<ExperimentConfig, 'cf'>,
): (user: number) => boolean {
  if (model.historyLength > 0) {
    const { latest } = model.histories(dataset);
    return (user) => knowsUser(model, user, latest);
  }
  const { train } = dataset.splits;
  const learned = new Set(learnedRows(model, train, lossOf(details, cf)).map((row) => train.user[row]!));
  return (user) => learned.has(user);
}

/**
 * Solves for users that a model was not trained on; null for models that cannot.
 * @param details as for {@link knownUsers}
 */
export async function foldingOf(
  model: CfModel,
  { splits }: Dataset,
  details: CfDetails,
  { cf }: Pick<ExperimentConfig, 'cf'>,
): Promise<UserFolding | null> {
  const loss = lossOf(details, cf);
  // SASRec's own loss, and SASRec has no vectors of users.
  if (loss === 'sequence-bce') return null;
  const decay = cf.weightDecay * learnedRows(model, splits.train, loss).length;
  return (await model.userFolding?.({ loss, decay })) ?? null;
}

function lossOf(details: CfDetails, cf: ExperimentConfig['cf']): Loss {
  return LOSSES.find((name) => name === details.loss) ?? cf.loss;
}
