/** The trivial baselines: means of labels, no training, no GPU. */

import { type Baseline, baselineScorer, logOdds } from '@crossgate/cf';
import { splitNames } from '@crossgate/data';
import type { SplitName } from '../config/schema';
import { evaluatedRows, pick } from '../evaluated-rows';
import type { Scores } from '../predictions';
import { stopTogether } from '../ranks/stop';
import type { Runner } from './runner';
import { bestOf, itemsInQuestion, type Pairs, pairsOf, popularItems } from './scorer';

/** Logits and probabilities from what a baseline gives: a probability, or a sum of log-odds, read as the logit of one. */
function toScores(values: Float64Array, probability: boolean): Scores {
  return probability
    ? { score: values, logit: values.map(logOdds) }
    : { logit: values, score: values.map((value) => 1 / (1 + Math.exp(-value))) };
}

/** The runner of a baseline. */
export function baselineRunner(baseline: Baseline): Runner {
  const { name } = baseline;
  return {
    name,
    information: () => baseline.information,
    trained: false,
    async open({ config, dataset, session }) {
      return {
        adapter: null,
        async train() {
          const scores: Partial<Record<SplitName, Scores>> = {};
          const made = baselineScorer(name, dataset, config.baseline);
          for (const split of config.evaluation.splits) {
            await stopTogether(session);
            const values = pick(made.rows(split), evaluatedRows(config, dataset, split));
            scores[split] = toScores(values, baseline.probability);
          }
          return { scores, details: { trainRows: dataset.splits.train.rows } };
        },
        async close() {},
      };
    },
    async openScorer({ config, dataset }) {
      const made = baselineScorer(name, dataset, config.baseline);
      const ofSplits = new Map(splitNames.map((split) => [split, made.rows(split)]));
      // Of whom the rows that the baseline reads are.
      const told = baseline.information === 'P' ? splitNames : (['train'] as const);
      const known = new Set(told.flatMap((split) => [...dataset.splits[split].user]));
      const scorePairs = async ({ user, item, place }: Pairs) => {
        const later = made.pairs(user, item);
        const values = later.map((value, index) => {
          const at = place[index];
          return at ? ofSplits.get(at.split)![at.row]! : value;
        });
        return toScores(values, baseline.probability);
      };
      return {
        scorePairs,
        async best(user, options) {
          if (!known.has(user)) return popularItems(dataset, user, options);
          const items = itemsInQuestion(dataset, user, options);
          return bestOf(items, await scorePairs(pairsOf(user, items)), options.count);
        },
        async close() {},
      };
    },
  };
}
