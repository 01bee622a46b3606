/**
 * MF on the events of a CSV file, on any device: in the page's worker, and in the tests on Node's to compare.
 */
import {
  CfTrainer,
  type CfTrainerOptions,
  evaluateRanking,
  MatrixFactorization,
  seenInTrain,
  topItems,
} from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import { buildCsv, type Dataset, type DatasetOptions } from '@crossgate/data';
import { auc } from '@crossgate/eval';
import type { Device } from '@crossgate/gpu';
import type { Epoch, Suggested, Trained, Training } from '../protocol';
import { sourceOf } from './source';

/** Width of the vectors, and the most epochs. */
const CF_DIM = 32;
const EPOCHS = 60;
/** Length of the lists, by which trainings on likes are also judged. */
const LIST = 10;
/** Below this many rows, a step of `init`'s size would leave an epoch too few of them. */
const SMALLEST_BATCH = 16;
const LARGEST_BATCH = 8192;

/** What a training learned, with what it found. The model is on the device that it was trained on. */
export interface Learned {
  readonly dataset: Dataset;
  readonly model: MatrixFactorization;
  readonly found: Omit<Trained, 'seconds'>;
}

/** The options of a data set that the answers of the form stand for. */
function optionsOf(training: Training): DatasetOptions {
  const { separator, user, item, rating, timestamp, threshold } = training;
  const isLabel = rating !== null && threshold === null;
  return {
    ...(threshold !== null && { threshold }),
    // Without times, or for likes alone, of which every user should keep some.
    split: timestamp === null ? { by: 'ratio' } : rating === null ? { by: 'leave-one-out' } : { by: 'time' },
    csv: {
      ...{ interactions: 'events', items: training.titles === null ? false : 'titles', separator, user, item },
      ...{ timestamp: timestamp ?? false },
      ...(rating === null ? { implicit: true } : isLabel ? { label: rating } : { rating }),
    },
  };
}

/**
 * Trains MF on a device.
 * @param note told of every epoch
 * @throws InputError where the file does not hold what the answers of the form say
 */
export async function trainMf(
  device: Device,
  training: Training,
  note: (epoch: Epoch) => void,
  signal: AbortSignal,
): Promise<Learned> {
  const source = sourceOf({ events: training.events, titles: training.titles });
  const dataset = await buildCsv(source, optionsOf(training));
  const model = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: CF_DIM, initStd: 0.1, seed: 1 });
  const isImplicit = training.rating === null;
  const { train: rows, valid, test } = dataset.splits;
  const ndcg = async (split: 'valid' | 'test') => (await evaluateRanking(model, dataset, split, { k: LIST })).ndcg;
  const batch = 2 ** Math.floor(Math.log2(Math.max(1, rows.rows / 32)));
  const isJudged = isImplicit ? valid.rows > 0 : hasBoth(valid.label);
  const options: CfTrainerOptions = {
    ...{ epochs: EPOCHS, patience: 8, warmupEpochs: 8, seed: 1 },
    batchSize: Math.min(LARGEST_BATCH, Math.max(SMALLEST_BATCH, batch)),
    ...(isImplicit
      ? { loss: 'bpr', learningRate: 3e-3, weightDecay: 0 }
      : { loss: 'bce', learningRate: 1e-2, weightDecay: 1e-4 }),
    ...(isJudged ? isImplicit && { criterion: () => ndcg('valid') } : { criterion: 'last' as const }),
  };
  const trainer = new CfTrainer(model, dataset.splits, options);
  const { epoch: epochs, bestEpoch } = await trainer
    .run({
      signal,
      onEpoch: ({ epoch, loss, validAuc, criterion }) =>
        note({ epoch, epochs: EPOCHS, loss, valid: criterion ?? validAuc }),
    })
    .finally(() => trainer.release());
  let testScore: number | null = null;
  if (isImplicit && test.rows > 0) testScore = await ndcg('test');
  if (!isImplicit && hasBoth(test.label)) {
    testScore = auc(test.label, await model.scorePairs(test.user, test.item));
  }
  return {
    ...{ dataset, model },
    found: {
      ...{ users: dataset.userCount, items: dataset.itemCount, trainRows: rows.rows, testRows: test.rows },
      ...{ measure: isImplicit ? `NDCG@${LIST}` : 'AUC', test: testScore, bestEpoch, epochs },
      warnings: dataset.warnings,
    },
  };
}

const hasBoth = (label: Uint8Array) => label.includes(0) && label.includes(1);

/**
 * The best items of a user by what was learned, without what the user has rows with.
 * @param id as the file has it
 * @throws InputError for a user whom the file, or the part that is trained on, does not have
 */
export async function suggestionsFor({ dataset, model }: Learned, id: string): Promise<readonly Suggested[]> {
  const user = dataset.users.indexOf(id, 1);
  if (user < 0) throw new InputError(`the file has no user ${JSON.stringify(id)}`, { code: 'run.not-held' });
  const exclude = () => dataset.knownItems(user);
  for await (const { items, scores, personal } of topItems(model, [user], { count: LIST, exclude })) {
    if (!personal) break;
    return Array.from(items, (item, at) => ({
      item: dataset.items[item]!.id,
      title: dataset.items[item]!.title,
      score: 1 / (1 + Math.exp(-scores[at]!)),
    }));
  }
  throw new InputError(`${JSON.stringify(id)} has no rows in the part that is trained on`, { code: 'run.not-held' });
}
