/** The trivial baselines: means of labels, no training, no GPU. */

import { type Baseline, logOdds, scoreBaseline } from '@crossgate/cf';
import { throwIfInterrupted } from '@crossgate/core';
import { Dataset, splitNames } from '@crossgate/data';
import type { SplitName } from '../config/schema';
import { evaluatedRows, pick } from '../evaluated-rows';
import type { Scores } from '../predictions';
import type { Runner } from './runner';
import { bestOfEach, newItems, orPopular, type Pairs, type Scorer } from './scorer';

/** Logits and probabilities from what a baseline gives: a probability, or a sum of log-odds, read as the logit of one. */
function toScores(values: Float64Array, probability: boolean): Scores {
  return probability
    ? { score: values, logit: values.map(logOdds) }
    : { logit: values, score: values.map((value) => 1 / (1 + Math.exp(-value))) };
}

/** A data set with further rows at the end of test, later than all others. */
function withRows(dataset: Dataset, user: Int32Array, item: Int32Array): Dataset {
  const { test } = dataset.splits;
  const added = user.length;
  const column = <Column extends Int32Array | Uint8Array | Float64Array>(
    old: Column,
    values: ArrayLike<number>,
  ): Column => {
    const Kind = old.constructor as new (length: number) => Column;
    const joined = new Kind(old.length + added);
    joined.set(old);
    joined.set(values, old.length);
    return joined;
  };
  const none = new Uint8Array(added);
  return new Dataset({
    ...dataset,
    splits: {
      ...dataset.splits,
      test: {
        rows: test.rows + added,
        user: column(test.user, user),
        item: column(test.item, item),
        label: column(test.label, none),
        timestamp: column(test.timestamp, new Float64Array(added).fill(Number.POSITIVE_INFINITY)),
        seen: column(test.seen, none),
        historyLength: column(test.historyLength, none),
      },
    },
  });
}

/** The runner of a baseline. */
export function baselineRunner(baseline: Baseline): Runner {
  const { name } = baseline;
  return {
    name,
    information: () => baseline.information,
    trained: false,
    async open({ config, dataset, session: { signal } }) {
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
    async openScorer({ config, dataset }) {
      const ofSplits = new Map(
        splitNames.map((split) => [split, scoreBaseline(name, dataset, split, config.baseline)]),
      );
      // Of whom the rows that the baseline reads are.
      const told = baseline.information === 'P' ? splitNames : (['train'] as const);
      const known = new Set(told.flatMap((split) => [...dataset.splits[split].user]));
      const scorePairs = async ({ user, item, place }: Pairs) => {
        // New pairs are rows after all others: what a baseline knows of their users is everything.
        const later = scoreBaseline(name, withRows(dataset, user, item), 'test', config.baseline);
        const { rows } = dataset.splits.test;
        const values = Float64Array.from(place, (at, index) =>
          at ? ofSplits.get(at.split)![at.row]! : later[rows + index]!,
        );
        return toScores(values, baseline.probability);
      };
      const score = async (user: Int32Array, item: Int32Array) =>
        scorePairs({ user, item, place: new Array<null>(user.length).fill(null) });
      const bestOfUsers: NonNullable<Scorer['bestOfUsers']> = (users, options) =>
        orPopular(
          dataset,
          users,
          (user) => known.has(user),
          options,
          (familiar) =>
            bestOfEach(familiar, (user) => options.candidates ?? newItems(dataset, user), score, options.count),
        );
      return {
        scorePairs,
        bestOfUsers,
        best: async (user, options) => (await bestOfUsers(Int32Array.of(user), options))[0]!,
        async close() {},
      };
    },
  };
}
