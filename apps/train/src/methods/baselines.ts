/** The trivial baselines as methods: means of labels, no training, no GPU. */
import { type BaselineName, baselines, logOdds, scoreBaseline } from '@crossgate/cf';
import type { SplitName } from '../config/schema';
import { throwIfInterrupted } from '../errors';
import { evaluatedRows, pick } from '../evaluated-rows';
import type { Scores } from '../predictions';
import type { Method } from './method';

/** Logits and probabilities from what a baseline gives: a probability, or a sum of log-odds, read as the logit of one. */
function toScores(values: Float64Array, probability: boolean): Scores {
  return probability
    ? { score: values, logit: values.map(logOdds) }
    : { logit: values, score: values.map((value) => 1 / (1 + Math.exp(-value))) };
}

/** The method of a baseline. */
export function baselineMethod(name: BaselineName): Method {
  const baseline = baselines.find((candidate) => candidate.name === name)!;
  return {
    name,
    information: baseline.information,
    trained: false,
    async open({ config, dataset, signal }) {
      return {
        adapter: null,
        async train() {
          const scores: Partial<Record<SplitName, Scores>> = {};
          for (const split of config.evaluation.splits) {
            throwIfInterrupted(signal);
            const values = scoreBaseline(name, dataset, split, config.baseline);
            scores[split] = toScores(pick(values, evaluatedRows(config, dataset, split)), baseline.probability);
          }
          return { scores, details: { trainRows: dataset.splits.train.rows } };
        },
        async close() {},
      };
    },
  };
}
