/** `crossgate recommend`: the best items of a user by a finished run. */

import { resolve } from 'node:path';
import { InputError, textTable } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { IdLookup } from '@crossgate/data';
import { readColumns } from '@crossgate/data/node';
import { openRun } from '@crossgate/experiment';
import { readText } from '@crossgate/files';
import type { Host } from '@crossgate/terminal';
import { collect } from '@crossgate/terminal';
import type { Command } from 'commander';
import { sessionOf } from '../session';
import { parseCount, SET_FOR_RUN, YES } from './options';

interface RecommendOptions {
  readonly user: string;
  readonly top: number;
  readonly candidates?: string;
  readonly set?: readonly string[];
  readonly yes?: boolean;
}

/** Bytes of a list of candidates: some tens of millions of ids. */
const LIMIT = 2 ** 28;

export function registerRecommend(program: Command, host: Host): void {
  const command = host
    .add(program, 'recommend <run>', 'Find the best items for a user with a finished run', [
      'recommend runs/ccf-1 --user 36',
      'recommend runs/ccf-1 --user 36 --top 5 --candidates items.csv --json',
    ])
    .requiredOption('--user <id>', 'the user, by the id of the source')
    .option('--top <k>', 'how many items', parseCount, 10)
    .option('--candidates <file>', 'items to choose from: a CSV with the column item, or one id per line')
    .option(...SET_FOR_RUN, collect)
    .option(...YES)
    .addHelpText(
      'after',
      '\nWithout --candidates, recommend ranks all items that the user has no positive with. CF methods leave out items' +
        '\nwithout train rows. A user of whom the model knows nothing is given the popular items; --json then has' +
        '\n"basis": "popularity", and a score is the number of users who like the item.',
    );
  host.handle<RecommendOptions>(command, async (context, { user: id, top, candidates: file, set, yes }, [run]) => {
    const asked: { user: number; candidates: Int32Array | null } = { user: 0, candidates: null };
    await using session = sessionOf(context, yes ?? false);
    const { dataset, method, scorer } = await openRun(session, run!, set ?? [], async (data) => {
      asked.user = new IdLookup('user', data.users, data.name).find(id, '--user');
      if (file !== undefined) asked.candidates = await readCandidates(data, resolve(context.io.cwd, file));
    });
    const { user, candidates } = asked;
    try {
      const task = context.progress.start('scoring items', candidates?.length ?? dataset.itemCount, 'items');
      const { items, scores, basis } = await scorer.best(user, {
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
      if (found.length === 0) context.log.warn(whyNone(dataset, user, { id, method, basis }));
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
  });
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

/** @returns dense ids, each once, in the order of the file @throws InputError naming file and line of an unknown item */
async function readCandidates(dataset: Dataset, path: string): Promise<Int32Array> {
  const lookup = new IdLookup(
    'item',
    dataset.items.map(({ id }) => id),
    dataset.name,
  );
  const found = new Set<number>();
  const lines = (await readText(path, 'list of candidates', LIMIT)).split(/\r?\n|\r$/);
  if (/(^|,)\s*"?item"?\s*(,|$)/.test(lines[0]!.replace(/^\ufeff/, ''))) {
    for await (const { line, values } of readColumns(path, ['item']))
      found.add(lookup.find(values[0]!, `${path}:${line}`));
  } else {
    for (const [index, text] of lines.entries()) {
      if (text.trim() !== '') found.add(lookup.find(text, `${path}:${index + 1}`));
    }
  }
  if (found.size === 0) throw new InputError('holds no candidates', { code: 'csv.empty', place: path });
  return Int32Array.from(found);
}
