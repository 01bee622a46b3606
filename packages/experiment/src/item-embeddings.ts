/** Items in the embedding space of the language model of a run: from the CF side, from their titles, and fused (Figure 4). */

import { InputError } from '@crossgate/core';
import { openRunFiles } from './open-run';
import { isHybrid } from './runners';
import type { ItemEmbeddings } from './runners/embed-items';
import { runOnDisk } from './runs/run-on-disk';
import type { Session } from './session';

/**
 * The embeddings of items by a finished run, in float32. They are computed by the model that the run scores with.
 *
 * @param run path of the run folder, as the user gave it
 * @param items dense ids
 * @param set `--set` arguments, such as `data.path=DIR`
 * @throws InputError `run.not-held` for a run without CF vectors in the language model's space, and as `openRun`
 */
export async function fusedItemEmbeddings(
  run: string,
  session: Session,
  items: ArrayLike<number>,
  set: readonly string[] = [],
): Promise<ItemEmbeddings> {
  const { path, config, dataset } = await openRunFiles(session, run, set);
  const none = new InputError('has no CF vectors in the space of a language model', {
    code: 'run.not-held',
    place: run,
  });
  if (!isHybrid(config)) throw none;
  // Loaded here, so that reading runs loads no package that uses a GPU.
  const [{ usesCf, usesGate }, { borrowFinished }, { declaredMethod }, { openHybridRun }, { embedItems }] =
    await Promise.all([
      import('@crossgate/fusion'),
      import('./runners/hybrid'),
      import('./runners/declared-stages'),
      import('./runners/hybrid-run'),
      import('./runners/embed-items'),
    ]);
  const method = declaredMethod(config);
  if (!usesCf(method)) throw none;
  const context = { config, dataset, session };
  const parts = await borrowFinished(context, path);
  const ids = Int32Array.from(items);
  const wrong = ids.find((item) => !(item >= 1 && item <= dataset.itemCount));
  if (wrong !== undefined) throw new RangeError(`item ${wrong} is not a dense id of the data set`);
  const names = parts.contexts.map((own) => own.config.cf.model);
  const opened = await openHybridRun(context, runOnDisk(path), parts);
  try {
    const { tokenizer } = opened.prompts.final;
    const titles = Array.from(ids, (item) =>
      Int32Array.from(tokenizer.encode(dataset.items[item]!.title.trim(), { bos: false, dummyPrefix: false })),
    );
    return await embedItems(opened.model, names, ids, titles, usesGate(method));
  } finally {
    opened.release();
  }
}
