/** `recommend --all-users`: the best items of every user, as a file. */
import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { recommendAll } from '@crossgate/experiment';
import type { CommandContext } from '@crossgate/terminal';
import { sessionOf } from '../session';
import { allUsersOptions } from './bulk-questions';
import { keepInputsOfRun } from './keep-inputs';
import type { RecommendOptions } from './recommend-parts';
import { chosenShard, makeShard } from './shards';

/** @throws InputError unless one person, or all users and a file, are named */
export function checkTarget(options: RecommendOptions): void {
  const { user, history, allUsers = false, out } = options;
  const refuse = (problem: string, place: string, fix: string) =>
    new InputError(problem, { code: 'usage', place, fix });
  if (!allUsers && (user === undefined) === (history === undefined)) {
    throw new InputError('give --user or --history, one of them, or --all-users', { code: 'usage' });
  }
  const ofShards = (['shard', 'shards', 'format'] as const).find((name) => options[name] !== undefined);
  if (!allUsers && ofShards !== undefined) throw refuse('goes with --all-users alone', `--${ofShards}`, 'leave it out');
  if (!allUsers && out !== undefined) throw refuse('goes with --all-users alone', '--out', 'leave it out');
  if (!allUsers) return;
  if (out === undefined) throw refuse('needs a file', '--all-users', 'name it with --out FILE');
  const other = (['user', 'history'] as const).find((name) => options[name] !== undefined);
  if (other !== undefined) throw refuse('does not go with --all-users', `--${other}`, 'leave one of them out');
}

/** Writes a list for every user of the run's data and of newer events. */
export async function recommendToAll(context: CommandContext, run: string, options: RecommendOptions): Promise<void> {
  const { out = '', yes = false } = options;
  const shard = chosenShard(options, context.io.env);
  await keepInputsOfRun(context, out, run);
  await using session = sessionOf(context, yes);
  if (shard) return makeShard(context, session, run, shard, { ...options, pairs: undefined, out });
  const { method, ...counts } = await recommendAll(session, run, {
    ...allUsersOptions(context, options),
    out: resolve(context.io.cwd, out),
  });
  const { users, rows, popular, empty, seconds } = counts;
  const share = (count: number) => `${count} of ${users} users`;
  if (popular > 0)
    context.log.warn(`nothing is known of ${share(popular)} that ${method} could go by: they have the popular items`);
  if (empty > 0) context.log.warn(`${share(empty)} have an empty list: there is nothing new that could be ranked`);
  const result = { run, method, users, rows, popular, empty, out, seconds: Math.round(seconds * 1000) / 1000 };
  await context.emit(result, () => `${users} users, ${rows} items in all: ${out}`);
}
