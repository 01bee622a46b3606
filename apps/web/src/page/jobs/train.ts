/** MF on somebody's own CSV: what its columns are, the training, and lists by what was learned. */
import { InputError } from '@crossgate/core';
import { columnsFor, surveyCsv } from '@crossgate/data';
import { type Device, openDevice } from '@crossgate/gpu';
import type { Columns, Epoch, Suggested, Trained, Training } from '../protocol';
import { type Learned, suggestionsFor, trainMf } from './mf';
import { sourceOf } from './source';

let learned: { readonly device: Device; readonly mf: Learned } | undefined;

/** Says what the columns of a CSV file are, by their names and their values. */
export async function readColumns(file: File): Promise<Columns> {
  const survey = await surveyCsv(sourceOf({ [file.name]: file }), file.name, file.name);
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

/** Trains MF in the place of what was trained before. */
export async function train(training: Training, note: (epoch: Epoch) => void, signal: AbortSignal): Promise<Trained> {
  const start = performance.now();
  await forgetLearned();
  const device = await openDevice();
  try {
    const mf = await trainMf(device, training, note, signal);
    learned = { device, mf };
    return { ...mf.found, seconds: (performance.now() - start) / 1000 };
  } catch (error) {
    await device.destroy();
    throw error;
  }
}

async function forgetLearned(): Promise<void> {
  const former = learned;
  learned = undefined;
  former?.mf.model.release();
  await former?.device.destroy();
}

function requireLearned(): Learned {
  if (learned) return learned.mf;
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

/** The best items of a user by what was learned; see {@link suggestionsFor}. */
export async function suggest(id: string): Promise<readonly Suggested[]> {
  return suggestionsFor(requireLearned(), id);
}
