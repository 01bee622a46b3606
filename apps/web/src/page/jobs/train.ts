/** MF on somebody's own CSV: what its columns are, the training, and lists by what was learned. */
import {
  CfTrainer,
  type CfTrainerOptions,
  evaluateRanking,
  MatrixFactorization,
  seenInTrain,
  topItems,
} from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import { buildCsv, columnsFor, type Dataset, type DatasetOptions, type SourceFolder, surveyCsv } from '@crossgate/data';
import { auc } from '@crossgate/eval';
import { type Device, openDevice } from '@crossgate/gpu';
import type { Columns, Epoch, Trained, Training } from '../protocol';

/** Width of the vectors, and the most epochs. */
const CF_DIM = 32;
const EPOCHS = 60;
/** Length of the lists that trainings on likes are judged by. */
const LIST = 10;
/** Below this many rows, a step of `init`'s size would leave an epoch too few of them. */
const SMALLEST_BATCH = 16;
const LARGEST_BATCH = 8192;

interface Learned {
  readonly device: Device;
  readonly dataset: Dataset;
  readonly model: MatrixFactorization;
}

let learned: Learned | undefined;

/** Files of a page as a source folder; each has a name of its own there. */
function folder(files: Readonly<Record<string, File | null>>): SourceFolder {
  return {
    name: 'this page',
    has: async (name) => Boolean(files[name]),
    async open(name) {
      const file = files[name];
      if (!file) throw new InputError(`no file ${name}`, { code: 'data.not-found' });
      return pieces(file);
    },
  };
}

/** The bytes of a file, in chunks; not every browser iterates over a stream. */
async function* pieces(file: File): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Says what the columns of a CSV file are, by their names and their values. */
export async function readColumns(file: File): Promise<Columns> {
  const survey = await surveyCsv(folder({ [file.name]: file }), file.name, file.name);
  if (survey.header !== true) {
    throw new InputError('the first line does not name the columns', {
      code: 'csv.column',
      place: file.name,
      fix: 'put one with their names above it',
    });
  }
  const names = survey.columns.map(({ name }) => name);
  const first = (role: Parameters<typeof columnsFor>[0]) => columnsFor(role, names)[0] ?? null;
  const rating = first('label') ?? first('rating') ?? first('count');
  const facts = survey.columns.find(({ name }) => name === rating);
  const middle = facts && facts.high > facts.low ? (facts.low + facts.high) / 2 : 0;
  return {
    ...{ names, rows: survey.rows, separator: survey.separator },
    ...{ user: first('user'), item: first('item'), timestamp: first('timestamp') },
    rating: facts?.isFlag || facts?.isNumeric ? rating : null,
    threshold: facts?.isFlag ? null : middle,
  };
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

/** Trains MF in the place of what was trained before. */
export async function train(training: Training, note: (epoch: Epoch) => void, signal: AbortSignal): Promise<Trained> {
  const start = performance.now();
  await forgetLearned();
  const source = folder({ events: training.events, titles: training.titles });
  const dataset = await buildCsv(source, optionsOf(training));
  const device = await openDevice();
  try {
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
    learned = { device, dataset, model };
    let testScore: number | null = null;
    if (isImplicit && test.rows > 0) testScore = await ndcg('test');
    if (!isImplicit && hasBoth(test.label)) {
      testScore = auc(test.label, await model.scorePairs(test.user, test.item));
    }
    return {
      ...{ users: dataset.userCount, items: dataset.itemCount, trainRows: rows.rows, testRows: test.rows },
      ...{ measure: isImplicit ? `NDCG@${LIST}` : 'AUC', test: testScore, bestEpoch, epochs },
      ...{ seconds: (performance.now() - start) / 1000, warnings: dataset.warnings },
    };
  } catch (error) {
    await device.destroy();
    throw error;
  }
}

const hasBoth = (label: Uint8Array) => label.includes(0) && label.includes(1);

async function forgetLearned(): Promise<void> {
  const former = learned;
  learned = undefined;
  former?.model.release();
  await former?.device.destroy();
}

function requireLearned(): Learned {
  if (learned) return learned;
  throw new InputError('nothing is trained yet', { code: 'run.not-found' });
}

/** Ids of users that hold a text. */
export async function trainedUsers(query: string): Promise<readonly string[]> {
  const wanted = query.toLowerCase();
  return requireLearned()
    .dataset.users.slice(1)
    .filter((id) => id.toLowerCase().includes(wanted))
    .slice(0, 12);
}

/** The best items of a user by what was learned, without what the user has rows with. */
export async function suggest(id: string): Promise<readonly { title: string; score: number }[]> {
  const { dataset, model } = requireLearned();
  const user = dataset.users.indexOf(id, 1);
  if (user < 0) throw new InputError(`the file has no user ${JSON.stringify(id)}`, { code: 'run.not-held' });
  const exclude = () => dataset.knownItems(user);
  for await (const { items, scores, personal } of topItems(model, [user], { count: LIST, exclude })) {
    if (!personal) break;
    return Array.from(items, (item, at) => ({
      title: dataset.items[item]!.title,
      score: 1 / (1 + Math.exp(-scores[at]!)),
    }));
  }
  throw new InputError(`${JSON.stringify(id)} has no rows in the part that is trained on`, { code: 'run.not-held' });
}
