/** `crossgate recommend`: the best items of a user, or of every user, by a finished run. */

import { resolve } from 'node:path';
import { InputError, textTable } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { IdLookup } from '@crossgate/data';
import { LIST_FORMATS, openRun, recommendAll } from '@crossgate/experiment';
import type { CommandContext, Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { readCandidates } from '../candidates';
import { sessionOf } from '../session';
import { parseCount, SET_FOR_RUN, YES } from './options';

interface RecommendOptions {
  readonly user?: string;
  readonly allUsers?: boolean;
  readonly out?: string;
  readonly top: number;
  readonly candidates?: string;
  readonly set?: readonly string[];
  readonly yes?: boolean;
}

export function registerRecommend(program: Command, host: Host): void {
  const command = host
    .add(program, 'recommend <run>', 'Find the best items for a user, or for every user, with a finished run', [
      'recommend runs/ccf-1 --user 36',
      'recommend runs/ccf-1 --user 36 --top 5 --candidates items.csv --json',
      'recommend runs/mf-1 --all-users --out lists.parquet',
      'recommend runs/ccf-1 --all-users --candidates new.csv --top 20 --out lists.jsonl',
    ])
    .option('--user <id>', 'the user, by the id of the source')
    .option('--all-users', 'every user of the data set; needs --out')
    .option('--out <file>', `with --all-users: file to write, ${LIST_FORMATS.map((name) => `.${name}`).join(', ')}`)
    .option('--top <k>', 'how many items', parseCount, 10)
    .option('--candidates <file>', 'items to choose from: a CSV with the column item, or one id per line')
    .option(...SET_FOR_RUN, collect)
    .option(...YES)
    .addHelpText(
      'after',
      '\nWithout --candidates, recommend ranks all items that the user has no positive with. CF methods leave out items' +
        '\nwithout train rows. A user of whom the model knows nothing is given the popular items; --json then has' +
        '\n"basis": "popularity", and a score is the number of users who like the item.' +
        '\n\n--all-users writes user, rank, item, title, score and basis; JSON lines hold a whole list each. What is finished' +
        '\nis kept in FILE.part: after Ctrl-C or a failure, the same command continues. CF methods take seconds; a language' +
        '\nmodel scores every candidate of every user, and the progress says how long that will take.',
    );
  host.handle<RecommendOptions>(command, async (context, options, [run]) => {
    checkTarget(options);
    await (options.allUsers ? recommendToAll : recommendToOne)(context, run!, options);
  });
}

/** @throws InputError unless one user, or all and a file, are named */
function checkTarget({ user, allUsers = false, out }: RecommendOptions): void {
  const refuse = (problem: string, place: string, fix: string) =>
    new InputError(problem, { code: 'usage', place, fix });
  if (allUsers && user !== undefined) throw refuse('does not go with --all-users', '--user', 'leave one of them out');
  if (!allUsers && user === undefined)
    throw refuse('nobody to recommend to', '--user', 'name a user with --user ID, or take --all-users');
  if (allUsers && out === undefined) throw refuse('needs a file', '--all-users', 'name it with --out FILE');
  if (!allUsers && out !== undefined) throw refuse('goes with --all-users alone', '--out', 'leave it out');
}

async function recommendToAll(context: CommandContext, run: string, options: RecommendOptions): Promise<void> {
  const { out, top, set = [], candidates: file, yes = false } = options;
  await using session = sessionOf(context, yes);
  const { method, ...counts } = await recommendAll(session, run, {
    ...{ top, set, out: resolve(context.io.cwd, out!) },
    ...(file !== undefined && { candidates: (data) => readCandidates(data, resolve(context.io.cwd, file)) }),
  });
  const { users, rows, popular, empty, seconds } = counts;
  const share = (count: number) => `${count} of ${users} users`;
  if (popular > 0)
    context.log.warn(`nothing is known of ${share(popular)} that ${method} could go by: they have the popular items`);
  if (empty > 0) context.log.warn(`${share(empty)} have an empty list: there is nothing new that could be ranked`);
  const result = { run, method, users, rows, popular, empty, out, seconds: Math.round(seconds * 1000) / 1000 };
  await context.emit(result, () => `${users} users, ${rows} items in all: ${out}`);
}

async function recommendToOne(context: CommandContext, run: string, options: RecommendOptions): Promise<void> {
  const { user, top, candidates: file, set, yes } = options;
  const id = user!;
  const asked: { user: number; candidates: Int32Array | null } = { user: 0, candidates: null };
  await using session = sessionOf(context, yes ?? false);
  const { dataset, method, scorer } = await openRun(session, run, set ?? [], async (data) => {
    asked.user = new IdLookup('user', data.users, data.name).find(id, '--user');
    if (file !== undefined) asked.candidates = await readCandidates(data, resolve(context.io.cwd, file));
  });
  const { candidates } = asked;
  try {
    const task = context.progress.start('scoring items', candidates?.length ?? dataset.itemCount, 'items');
    const { items, scores, basis } = await scorer.best(asked.user, {
      count: top,
      candidates,
      onProgress: (done) => task.update(done),
    });
    task.finish();
    const found = Array.from(items, (item, rank) => {
      const { id: itemId, title } = dataset.items[item]!;
      return { item: itemId, title, score: scores.score[rank]! };
    });
    const isPopular = basis === 'popularity' && found.length > 0;
    if (found.length === 0) context.log.warn(whyNone(dataset, asked.user, { id, method, basis }));
    if (isPopular) {
      context.log.warn(
        `nothing is known of user ${id} that ${method} could go by: the popular items follow, the same for everybody; ` +
          'a score is the number of users who like the item',
      );
    }
    await context.emit({ user: id, items: found, ...(isPopular && { basis }) }, () =>
      textTable([
        ['', isPopular ? 'users' : 'score', 'item', 'title'],
        ...found.map(({ item, title, score }, rank) => {
          return [String(rank + 1), isPopular ? String(score) : score.toFixed(4), item, title];
        }),
      ]),
    );
  } finally {
    await scorer.close();
  }
}

/** Why a list of new items is empty. */
function whyNone(
  dataset: Dataset,
  user: number,
  { id, method, basis }: { id: string; method: string; basis: 'user' | 'popularity' },
): string {
  const { itemCount } = dataset;
  const others = '--candidates FILE ranks any items';
  if (new Set(dataset.positives(user)).size === itemCount) {
    return `user ${id} likes ${itemCount === 1 ? 'the only item' : `all ${itemCount} items`}, so there is nothing new to recommend; ${others}`;
  }
  const left = `the items that user ${id} does not like yet`;
  return basis === 'popularity'
    ? `nothing is known of user ${id} that ${method} could go by, and nobody likes any of ${left}; ${others}`
    : `none of ${left} has train rows, so ${method} cannot rank them; ${others}`;
}
