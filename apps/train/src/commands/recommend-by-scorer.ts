/** `recommend` by a run that cannot answer for newer data: a baseline, or a language model behind an endpoint. */
import { resolve } from 'node:path';
import { IdLookup, itemFilter } from '@crossgate/data';
import { openRun, refuseNewer, type Session } from '@crossgate/experiment';
import type { CommandContext } from '@crossgate/terminal';
import { readDenseCandidates } from '../candidates';
import { whereOf } from './list-options';
import { methodOf } from './method-of';
import { type RecommendOptions, type ShownList, wordsOfNone } from './recommend-parts';

/** @throws InputError for what such a run cannot do */
export async function recommendByScorer(
  context: CommandContext,
  session: Session,
  run: string,
  options: RecommendOptions,
): Promise<ShownList> {
  const {
    user: id = '',
    history,
    top,
    candidates: file,
    rerank,
    repeats = 'exclude',
    events,
    items: titles,
    set = [],
  } = options;
  refuseNewer(await methodOf(session, run), { history, events, items: titles, rerank });
  const asked: { user: number; candidates: Int32Array | null; passes?: (item: number) => boolean } = {
    user: 0,
    candidates: null,
  };
  const { dataset, method, scorer } = await openRun(session, run, set, async (data) => {
    asked.user = new IdLookup('user', data.users, data.name).find(id, '--user');
    asked.passes = itemFilter(data.attributes, whereOf(options, data) ?? {});
    if (file !== undefined) asked.candidates = await readDenseCandidates(data, resolve(context.io.cwd, file));
  });
  const { user, candidates, passes } = asked;
  try {
    const task = context.progress.start('scoring items', candidates?.length ?? dataset.itemCount, 'items');
    const onProgress = (done: number) => task.update(done);
    const { items, scores, basis } = await scorer.best(user, { count: top, candidates, passes, repeats, onProgress });
    task.finish();
    const found = Array.from(items, (item, rank) => {
      const { id: itemId, title } = dataset.items[item]!;
      return { item: itemId, title, score: scores.score[rank]! };
    });
    const whyNone = () =>
      wordsOfNone({
        ...{ who: `user ${id}`, known: dataset.knownItems(user).length, items: dataset.itemCount, method, basis },
        isFiltered: options.where !== undefined,
      });
    return { asked: { user: id }, items: found, basis, method, whyNone };
  } finally {
    await scorer.close();
  }
}
