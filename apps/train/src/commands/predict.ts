/** `crossgate predict`: scores of any pairs of users and items, from file to file. */

import { resolve } from 'node:path';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { csvField, IdLookup, type RowPlace, rowFinder, safeCsvField } from '@crossgate/data';
import { readColumns } from '@crossgate/data/node';
import { openRun, type Pairs, refuseNewer, type Scorer } from '@crossgate/experiment';
import { kindOf, requireFile, writeAtomic } from '@crossgate/files';
import type { CommandContext, Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf } from '../session';
import { keepInputsOfRun } from './keep-inputs';
import { methodOf } from './method-of';
import { NEWER, SAFE_CSV, SET_FOR_RUN, YES } from './options';
import { predictLive } from './predict-live';

/** Pairs that are held at a time. Many of one user behind one another share the work on what is known of the user. */
const CHUNK = 4096;

interface PredictOptions {
  readonly pairs: string;
  readonly out: string;
  readonly safeCsv?: boolean;
  readonly events?: string;
  readonly items?: string;
  readonly set?: readonly string[];
  readonly yes?: boolean;
}

export function registerPredict(program: Command, host: Host): void {
  const command = host
    .add(program, 'predict <run>', 'Score pairs of users and items with a finished run', [
      'predict runs/ccf-1 --pairs pairs.csv --out scores.csv',
      'predict runs/ccf-1 --pairs pairs.csv --out scores.csv --set data.path=data/ml-1m',
      'predict runs/mf-1 --pairs pairs.csv --out scores.csv --events grown.csv',
    ])
    .requiredOption('--pairs <file>', 'CSV of any length with the columns user and item, with the ids of the source')
    .requiredOption('--out <file>', 'CSV to write: user,item,score in the order of the pairs')
    .option(...SAFE_CSV)
    .option(...NEWER.events)
    .option(...NEWER.items)
    .option(...SET_FOR_RUN, collect)
    .option(...YES)
    .addHelpText(
      'after',
      "\nA pair that is a row of the run's data is scored by what was known before the row, any other by all that is known." +
        '\nWith --events or --items, all pairs are scored by all that is known now, and --json counts what the scores go by.',
    );
  host.handle<PredictOptions>(command, async (context, options, [run]) => {
    const [pairs, out] = [options.pairs, options.out].map((path) => resolve(context.io.cwd, path)) as [string, string];
    await requireFile(pairs, 'CSV', true);
    if ((await kindOf(out)) === 'folder')
      throw new InputError(`${out}: is a folder`, { code: 'file.kind', place: '--out', fix: 'name a file' });
    await keepInputsOfRun(context, out, run!);
    await using session = sessionOf(context, options.yes ?? false);
    const field = options.safeCsv ? safeCsvField : csvField;
    if (options.events !== undefined || options.items !== undefined) {
      const { events, items } = options;
      refuseNewer(await methodOf(session, run!), { events, items });
      const counts = await predictLive(context, session, run!, { ...options, pairs, out, field });
      return context.emit({ run, ...counts, out: options.out }, () => {
        const by = Object.entries(counts.basis).map(([basis, rows]) => `${rows} by ${basis}`);
        return `${counts.rows} pairs scored: ${by.join(', ')}`;
      });
    }
    const { dataset, method, scorer } = await openRun(session, run!, options.set ?? []);
    try {
      const counts = await predictFile(context, { dataset, scorer, pairs, out, field });
      await context.emit({ run, method, ...counts, out: options.out }, () => {
        const { rows, known, warm } = counts;
        return `${rows} pairs scored: ${warm} warm, ${rows - warm} cold; ${known} are rows of the data set`;
      });
    } finally {
      await scorer.close();
    }
  });
}

/** What was scored. */
interface Counts {
  readonly rows: number;
  /** Pairs whose user and item both have train rows. */
  readonly warm: number;
  readonly cold: number;
  /** Pairs that are rows of the data set. */
  readonly known: number;
}

interface PredictWork {
  readonly dataset: Dataset;
  readonly scorer: Scorer;
  readonly pairs: string;
  readonly out: string;
  readonly field: (value: string) => string;
}

async function predictFile(context: CommandContext, work: PredictWork): Promise<Counts> {
  const { dataset, scorer, pairs, out, field } = work;
  const { user: trainUser, item: trainItem } = dataset.splits.train;
  const [warmUsers, warmItems] = [new Set(trainUser), new Set(trainItem)];
  const counts = { rows: 0, warm: 0, cold: 0, known: 0 };
  await writeAtomic(
    out,
    (async function* () {
      yield 'user,item,score\n';
      for await (const chunk of chunksOf(dataset, pairs)) {
        throwIfInterrupted(context.io.signal);
        const { score } = await scorer.scorePairs(chunk);
        const lines: string[] = [];
        for (const [index, value] of score.entries()) {
          const [user, item] = [chunk.user[index]!, chunk.item[index]!];
          if (!Number.isFinite(value)) {
            throw new Error(`the score of user ${dataset.users[user]} and item ${dataset.items[item]!.id} is ${value}`);
          }
          lines.push(`${field(dataset.users[user]!)},${field(dataset.items[item]!.id)},${value}\n`);
          counts[warmUsers.has(user) && warmItems.has(item) ? 'warm' : 'cold']++;
          if (chunk.place[index]) counts.known++;
        }
        yield lines.join('');
        counts.rows += score.length;
        context.log.info(`${counts.rows} pairs scored`);
      }
      if (counts.rows === 0)
        throw new InputError('holds no rows below its header', { code: 'csv.empty', place: pairs });
    })(),
  );
  return counts;
}

/** Reads pairs, some thousands at a time. @throws InputError naming file and line of an unknown user or item */
async function* chunksOf(dataset: Dataset, path: string): AsyncGenerator<Pairs> {
  const users = new IdLookup('user', dataset.users, dataset.name);
  const items = new IdLookup(
    'item',
    dataset.items.map(({ id }) => id),
    dataset.name,
  );
  const placeOf = rowFinder(dataset);
  let [user, item, place]: [number[], number[], (RowPlace | null)[]] = [[], [], []];
  const take = (): Pairs => {
    const pairs = { user: Int32Array.from(user), item: Int32Array.from(item), place };
    [user, item, place] = [[], [], []];
    return pairs;
  };
  for await (const { line, values } of readColumns(path, ['user', 'item'])) {
    const [userText, itemText] = values as [string, string];
    const [u, i] = [users.find(userText, `${path}:${line}`), items.find(itemText, `${path}:${line}`)];
    user.push(u);
    item.push(i);
    place.push(placeOf(u, i));
    if (user.length === CHUNK) yield take();
  }
  if (user.length > 0) yield take();
}
