/** `crossgate recommend`: the best items of a person, or of every user, by a finished run. */

import { resolve } from 'node:path';
import { textTable } from '@crossgate/core';
import type { Where } from '@crossgate/data';
import {
  type Basis,
  canBeLive,
  LIST_FORMATS,
  type LiveRun,
  openLiveRun,
  type Person,
  type Session,
} from '@crossgate/experiment';
import type { CommandContext, Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { readCandidates } from '../candidates';
import { addProfileOptions, withProfile } from '../profile';
import { sessionOf } from '../session';
import { repeatsOption, WHERE, whereOf } from './list-options';
import { methodOf } from './method-of';
import { NEWER, parseCount, SAFE_CSV, SET_FOR_RUN, YES } from './options';
import { checkTarget, recommendToAll } from './recommend-all';
import { recommendByScorer } from './recommend-by-scorer';
import { type RecommendOptions, type ShownList, wordsOfNone } from './recommend-parts';
import { addShardOptions, SHARD_HELP } from './shards';

export function registerRecommend(program: Command, host: Host): void {
  const command = host
    .add(program, 'recommend <run>', 'Find the best items for a person, or for every user, with a finished run', [
      'recommend runs/ccf-1 --user 36',
      'recommend runs/ccf-1 --user 36 --top 5 --candidates items.csv --json',
      'recommend runs/mf-1 --user 36 --where genres=Comedy --where "year>=1990"',
      'recommend runs/mf-1 --user 36 --events grown.csv',
      'recommend runs/mf-1 --history 1193,661,914',
      'recommend runs/mf-1 --all-users --out lists.parquet',
      'recommend runs/ccf-1 --user 36 --profile',
      'recommend runs/mf-1 --all-users --events grown.csv --out lists.parquet',
      'recommend runs/mf-1 --all-users --shard 0/8 --format parquet --out lists',
    ])
    .option('--user <id>', 'the user, by the id of the source')
    .option('--history <ids>', 'items that a person likes, oldest first, with commas between: for anybody')
    .option('--all-users', 'every user of the run and of --events; needs --out')
    .option('--out <path>', `with --all-users: file to write, ${LIST_FORMATS.map((name) => `.${name}`).join(', ')}`)
    .option(...SAFE_CSV)
    .option('--top <k>', 'how many items', parseCount, 10)
    .option('--candidates <file>', 'items to choose from: a CSV with the column item, or one id per line')
    .option(...WHERE, collect)
    .option('--rerank <n>', 'how many items CF hands to the language model (default: 200)', parseCount)
    .addOption(repeatsOption())
    .option(...NEWER.events)
    .option(...NEWER.items);
  addShardOptions(command)
    .option(...SET_FOR_RUN, collect)
    .option(...YES)
    .addHelpText(
      'after',
      '\nWithout --candidates, recommend ranks all items that the person has no event with, neither a like nor a' +
        '\ndislike; --repeats allow ranks these too. CF methods leave out items without train rows;' +
        '\nin methods with both, CF picks what the language model ranks (--rerank).' +
        '\n--where filters items before they are ranked, those of --candidates too, so that a list still has --top items.' +
        '\nConditions all hold; values have commas between, and quotes around one with a comma. Numbers take =, >= and <=.' +
        '\nWith --json, "basis" says what a list goes by where it is not what the run learned of the user: "folded-in" is a' +
        '\nvector solved for on the run\'s items, "history" the person\'s items alone, and "popularity" the popular items of' +
        '\nwhoever nothing is known of; a score is then the number of users who like the item.' +
        '\n\n--all-users writes user, rank, item, title, score and basis; JSON lines hold a whole list each. What is finished' +
        '\nis kept in FILE.part: after Ctrl-C or a failure, the same command continues. Each list is that of --user. CF methods' +
        '\ntake milliseconds a user; a language model scores up to --rerank items for each, or every candidate where there is' +
        '\nno CF, and the progress says how long that will take.' +
        SHARD_HELP,
    );
  addProfileOptions(command);
  const handler = withProfile<RecommendOptions>(async (context, options, [run]) => {
    checkTarget(options);
    if (options.allUsers) return recommendToAll(context, run!, options);
    await using session = sessionOf(context, options.yes ?? false);
    const shown = canBeLive(await methodOf(session, run!))
      ? await recommendLive(context, session, run!, options)
      : await recommendByScorer(context, session, run!, options);
    await show(context, shown);
  });
  host.handle<RecommendOptions>(command, handler);
}

async function recommendLive(
  context: CommandContext,
  session: Session,
  run: string,
  options: RecommendOptions,
): Promise<ShownList> {
  const { user, history, top, candidates: file, rerank, repeats, events, items: titles, set = [] } = options;
  const ids = history?.split(',').filter((id) => id !== '') ?? [];
  let among: readonly string[] | undefined;
  let where: Where | undefined;
  await using live = await openLiveRun(session, run, {
    set,
    files: { events, items: titles },
    async check(known) {
      if (user !== undefined) known.requireUser(user, '--user');
      for (const id of ids) known.requireItem(id, '--history');
      where = whereOf(options, known);
      if (file !== undefined) among = await readCandidates(known, resolve(context.io.cwd, file));
    },
  });
  const asked = user === undefined ? { history: ids } : { user };
  const task = context.progress.start('scoring items', among?.length ?? live.items().length, 'items');
  const { items, basis } = await live.recommend(asked, {
    top,
    ...(rerank !== undefined && { candidates: rerank }),
    ...(repeats !== undefined && { repeats }),
    ...(among && { among }),
    ...(where && { where }),
    signal: context.io.signal,
    onProgress: (done) => task.update(done),
  });
  task.finish();
  const found = items.map(({ item, score }) => ({ item, title: live.item(item)!.title, score }));
  const why = () => whyNone(live, asked, basis, where !== undefined);
  return { asked, items: found, basis, method: live.method, whyNone: why };
}

/** Prints a list, and in warnings what is special about it. */
async function show(context: CommandContext, { asked, items, basis, method, whyNone: why }: ShownList): Promise<void> {
  const isPopular = basis === 'popularity' && items.length > 0;
  if (items.length === 0) context.log.warn(why());
  if (isPopular) {
    context.log.warn(
      `nothing is known of ${nameOf(asked)} that ${method} could go by: the popular items follow, the same for everybody; ` +
        'a score is the number of users who like the item',
    );
  }
  const isSaid = basis !== 'user' && items.length > 0;
  await context.emit({ ...asked, items, ...(isSaid && { basis }) }, () =>
    textTable([
      ['', isPopular ? 'users' : 'score', 'item', 'title'],
      ...items.map(({ item, title, score }, rank) => {
        return [String(rank + 1), isPopular ? String(score) : score.toFixed(4), item, title];
      }),
    ]),
  );
}

const nameOf = (asked: ShownList['asked']): string => ('user' in asked ? `user ${asked.user}` : 'this person');

/** Why a list of new items is empty. */
function whyNone(live: LiveRun, asked: Person & ShownList['asked'], basis: Basis, isFiltered: boolean): string {
  const events = 'user' in asked ? live.user(asked.user)!.events.map(({ item }) => item) : asked.history;
  const [known, items] = [new Set(events).size, live.items().length];
  return wordsOfNone({ who: nameOf(asked), known, items, method: live.method, basis, isFiltered });
}
