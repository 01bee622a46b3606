/** Scores by a finished run on a language model: many items of a user share what their prompts begin with. */

import { CandidateScorer, promptFor, type ScoredUser, scorePrompts } from '@crossgate/fusion';
import type { YesNoLossOptions } from '@crossgate/tensor';

import { logitsToScores } from './cf';
import { finiteScores } from './finite-scores';
import type { HybridRun } from './hybrid-run';

import { promptReads } from './prompt-reads';
import type { RunnerContext } from './runner';
import { bestOf, historyOfPair, itemsInQuestion, type Pairs, pairsOf, popularItems, type Scorer } from './scorer';

/** From this many pairs of one user and history on, their prefix is computed by itself: below, batches of whole prompts are faster. */
const SHARED = 4;

/**
 * Scores by the model of a run and the prompts of its last stage.
 * @param run closed by the scorer
 */
export function hybridScorer(context: RunnerContext, run: HybridRun): Scorer {
  const { config, dataset } = context;
  const { signal, log } = context.session;
  const { model } = run;
  const builder = run.prompts.final;
  const { yes, no } = builder.answers;
  const { name, k, bprOn } = config.loss;
  const loss: YesNoLossOptions = { kind: name, k, bprOn, yesToken: yes, noToken: no };
  const options = { batchTokens: config.evaluation.batchTokens, signal };

  const candidatesOf = (user: ScoredUser) => new CandidateScorer(model, builder, user, loss);
  const { userHistories, userHistoryLength = 0 } = builder.options;
  /** What is known of a pair's user: of all, or before the row that the pair is. */
  const userOf = (pairs: Pairs, index: number): ScoredUser => {
    const [user, at] = [pairs.user[index]!, pairs.place[index]];
    const history = historyOfPair(dataset, pairs, index);
    if (!userHistories || userHistoryLength === 0) return { user, history };
    const userHistory = at
      ? userHistories.before(at.split, at.row, userHistoryLength)
      : userHistories.latest(user, userHistoryLength);
    return { user, history, userHistory };
  };

  /** Whether the prompt can hold anything of a user: titles of likes, or what a CF model makes of the user. */
  const knows = (user: number): boolean => {
    const reads = promptReads(builder.options);
    if (reads.history && dataset.positives(user).length > 0) return true;
    return reads.cf && run.known.some((knowsOf) => knowsOf(user));
  };

  async function valuesOf(pairs: Pairs): Promise<Float32Array> {
    const values = new Float32Array(pairs.user.length);
    // Histories of one user and length are the same; those with labels have to be looked at.
    const groups = new Map<string, { readonly known: Int32Array | undefined; readonly indices: number[] }[]>();
    for (const index of pairs.user.keys()) {
      const { user, history, userHistory: known } = userOf(pairs, index);
      const key = `${user}/${history.length}`;
      if (!groups.has(key)) groups.set(key, []);
      const alike = groups.get(key)!;
      const group = alike.find((other) => isEqual(other.known, known));
      if (group) group.indices.push(index);
      else alike.push({ known, indices: [index] });
    }
    const single: number[] = [];
    for (const { indices } of [...groups.values()].flat()) {
      if (indices.length < SHARED) {
        single.push(...indices);
        continue;
      }
      const [first] = indices as [number, ...number[]];
      using scorer = candidatesOf(userOf(pairs, first));
      const items = indices.map((index) => pairs.item[index]!);
      const scores = await scorer.score(items, options);
      for (const [i, index] of indices.entries()) values[index] = scores[i]!;
    }
    const prompts = (function* () {
      for (const index of single) {
        yield promptFor(builder, { ...userOf(pairs, index), item: pairs.item[index]! });
      }
    })();
    const scores = await scorePrompts(model, prompts, single.length, loss, options);
    for (const [i, index] of single.entries()) values[index] = scores[i]!;
    return values;
  }

  return {
    async scorePairs(pairs) {
      return logitsToScores(await finiteScores(model, 'the run', log, () => valuesOf(pairs)));
    },
    async best(user, asked) {
      const { count, onProgress } = asked;
      if (!knows(user)) return popularItems(dataset, user, asked);
      const items = itemsInQuestion(dataset, user, asked);
      // Who knows every item is shown nothing new.
      if (items.length === 0) return bestOf(items, logitsToScores(new Float32Array()), count);
      const values = await finiteScores(model, 'the run', log, async () => {
        using scorer = candidatesOf(userOf(pairsOf(user, items), 0));
        return await scorer.score(items, { ...options, ...(onProgress && { onProgress }) });
      });
      return bestOf(items, logitsToScores(values), count);
    },
    async close() {
      run.release();
    },
  };
}

const isEqual = (a: Int32Array | undefined, b: Int32Array | undefined): boolean =>
  a?.length === b?.length && (a?.every((value, i) => value === b![i]) ?? true);
