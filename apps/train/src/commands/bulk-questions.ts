/** What a run is asked in bulk: scores of pairs, or lists for all users, whole or as shards. */
import { resolve } from 'node:path';
import { filesOf } from '@crossgate/data/node';
import {
  type AllUsersOptions,
  type Bulk,
  openAllUsers,
  openPairs,
  type PairsOptions,
  type Session,
} from '@crossgate/experiment';
import { type CommandContext, refuseOverwriting } from '@crossgate/terminal';
import { readCandidates } from '../candidates';
import { type ListChoice, whereOf } from './list-options';

/** Options of the commands that score any pairs. */
export interface PairQuestions {
  readonly pairs: readonly string[];
  readonly out: string;
  readonly events?: string;
  readonly items?: string;
  readonly set?: readonly string[];
  readonly safeCsv?: boolean;
}

/** Options of the commands that make lists for all users. */
export interface ListQuestions extends ListChoice, Omit<PairQuestions, 'pairs' | 'out'> {
  readonly top: number;
  readonly candidates?: string;
  readonly rerank?: number;
}

/** Scores of pairs, or lists for all users. */
export type BulkQuestions = PairQuestions | (ListQuestions & { readonly pairs?: undefined });

const shared = ({ events, items, set = [], safeCsv = false }: Omit<PairQuestions, 'pairs' | 'out'>) => ({
  ...{ set, safeCsv },
  files: { events, items },
});

/** `--pairs`: flags. */
export const PAIRS = '--pairs <file...>';

/** What scores of pairs are made with. @throws InputError for a pattern of no file, and one of a file that is written */
export async function pairsOptions({ io }: CommandContext, options: PairQuestions): Promise<PairsOptions> {
  const pairs = (await Promise.all(options.pairs.map((path) => filesOf(resolve(io.cwd, path))))).flat();
  await refuseOverwriting(options.out, pairs, io.cwd);
  return { ...shared(options), pairs };
}

/** What lists for all users are made with. */
export function allUsersOptions({ io }: CommandContext, options: ListQuestions): AllUsersOptions {
  const { top, candidates, rerank, repeats, where } = options;
  return {
    ...{ ...shared(options), top },
    ...(rerank !== undefined && { rerank }),
    ...(repeats !== undefined && { repeats }),
    ...(candidates !== undefined && { candidates: (ids) => readCandidates(ids, resolve(io.cwd, candidates)) }),
    ...(where && { where: (ids) => whereOf(options, ids)! }),
  };
}

/** Opens what is asked, so that any part of the answer can be made. */
export async function openQuestions(
  context: CommandContext,
  session: Session,
  run: string,
  options: BulkQuestions,
): Promise<Bulk> {
  return options.pairs === undefined
    ? openAllUsers(session, run, allUsersOptions(context, options))
    : openPairs(session, run, await pairsOptions(context, options));
}
