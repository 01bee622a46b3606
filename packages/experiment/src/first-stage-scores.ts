/** What a run on a language model thought before its last stage: its scores by the state that this stage began with. */

import { InputError } from '@crossgate/core';
import type { SplitName } from './config/schema';
import { openRunFiles } from './open-run';
import type { Scores } from './predictions';
import { isHybrid } from './runners';
import { finiteScores } from './runners/finite-scores';
import { runOnDisk } from './runs/run-on-disk';
import type { Session } from './session';

/**
 * Scores rows of a split by the state that the second stage of a finished run began with: the best of its first
 * stage. A run keeps only its last state, but where the second stage trains other groups of parameters than the first, as
 * in CCF-LLM and CoLLM, all others are in the run or follow from its seed.
 *
 * @param run path of the run folder, as the user gave it
 * @param rows row numbers of the split
 * @param set `--set` arguments, such as `data.path=DIR`
 * @returns one logit and score for each row, in their order
 * @throws InputError `run.not-held` for a run with another number of stages, one whose best state is of its first stage,
 *   or one whose second stage trained the same parameters again; and as `openRun`
 */
export async function firstStageScores(
  run: string,
  session: Session,
  split: SplitName,
  rows: ArrayLike<number>,
  set: readonly string[] = [],
): Promise<Scores> {
  const { path, config, result, dataset } = await openRunFiles(session, run, set);
  const refuse = (reason: string) => new InputError(reason, { code: 'run.not-held', place: run });
  if (!isHybrid(config)) throw refuse('was not trained in stages');
  // Loaded here, so that reading runs loads no package that uses a GPU.
  const [fusion, { borrowFinished }, { openHybridRun }, { logitsToScores }] = await Promise.all([
    import('@crossgate/fusion'),
    import('./runners/hybrid'),
    import('./runners/hybrid-run'),
    import('./runners/cf'),
  ]);
  const { declaredMethod, stagesOfConfig } = await import('./runners/declared-stages');
  const stages = stagesOfConfig(declaredMethod(config), config);
  const [first, second] = stages;
  if (first === undefined || second === undefined) throw refuse('has no second stage');
  if (second.trains.some((name) => first.trains.includes(name)))
    throw refuse('keeps only its last state: its second stage trained the parameters of the first again');
  const { best } = result.details as { readonly best?: { readonly stage?: unknown } | null };
  if (best?.stage === first.settings)
    throw refuse('its best state is that of the first stage, so its scores did not move');
  const context = { config, dataset, session };
  const parts = await borrowFinished(context, path);
  const opened = await openHybridRun(context, runOnDisk(path), parts, 'initial');
  try {
    const builder = opened.prompts.stages[0]!;
    const { yes, no } = builder.answers;
    const { name, k, bprOn } = config.loss;
    const { batchTokens } = config.evaluation;
    const loss = { kind: name, k, bprOn, yesToken: yes, noToken: no };
    const { signal, progress, log } = session;
    const task = progress.start('scoring by the first stage', rows.length);
    try {
      const values = await finiteScores(opened.model, split, log, () =>
        fusion.scoreRows(opened.model, builder, dataset, split, Int32Array.from(rows), loss, {
          batchTokens,
          signal,
          onProgress: (done) => task.update(done),
        }),
      );
      return logitsToScores(values);
    } finally {
      task.finish();
    }
  } finally {
    opened.release();
  }
}
