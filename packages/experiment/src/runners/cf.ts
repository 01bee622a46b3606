/** The collaborative-filtering models as methods of their own. */

import { type CfModel, checkRanking, evaluateRanking, findCfDefinition, type RankingResult } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { SplitName } from '../config/schema';
import { evaluatedRows, pick } from '../evaluated-rows';
import type { Scores } from '../predictions';
import { runOnDisk } from '../runs/run-on-disk';
import { loadCf, type Prepared } from './cf-model';
import { checkCfRun, prepareCf } from './cf-phase';
import { knownUsers } from './known-users';
import { cfOptions, checkCfSizes } from './parameter-sizes';
import { memoryBeside } from './run-memory';
import type { Runner, RunnerContext } from './runner';
import { bestOf, itemsInQuestion, type Pairs, pairsOf, popularItems, type Scorer } from './scorer';
import { checkSelection, type Selection } from './selection';

/** The runner that trains one model and scores by it. */
export function cfRunner(name: string): Runner {
  return {
    name,
    information: ({ cf }) => findCfDefinition(name).information(cfOptions({ ...cf, model: name })),
    trained: true,
    async open(context) {
      const { config, dataset, session } = context;
      if (config.cf.model !== name) {
        throw new InputError(`is ${config.cf.model}, but the method is ${name}`, {
          code: 'config.value',
          place: 'cf.model',
          fix: `set cf.model to ${name}`,
        });
      }
      await checkCfRun(context);
      checkLists(context);
      checkSelection(context);
      const device = await session.device();
      checkCfSizes(device, config, dataset);
      const before = device.report().persistent;
      let model: CfModel | undefined;
      return {
        adapter: device.capabilities.name,
        async train(run) {
          const prepared = await prepareCf(context, run, device);
          const { details } = prepared;
          model = prepared.model;
          const histories = model.histories(dataset);
          const scores: Partial<Record<SplitName, Scores>> = {};
          for (const split of config.evaluation.splits) {
            const { user, item } = dataset.splits[split];
            const rows = evaluatedRows(config, dataset, split);
            const history = (index: number, limit: number) => histories.before(split, rows[index]!, limit);
            using _ = session.profiler?.span(`score ${split}`);
            scores[split] = logitsToScores(await model.scorePairs(pick(user, rows), pick(item, rows), history));
          }
          const detailsOf = () => ({
            trainRows: dataset.splits.train.rows,
            cf: details,
            memory: memoryBeside(device.report(), before),
          });
          const { k, ...protocol } = config.evaluation.ranking;
          if (k === null) return { scores, details: detailsOf() };
          const ranking: { valid?: RankingResult; test?: RankingResult } = {};
          for (const split of config.evaluation.splits) {
            if (split === 'train' || dataset.splits[split].rows === 0) continue;
            const found = await evaluateRanking(model, dataset, split, { k, ...protocol });
            warnOfLists(context, split, found);
            ranking[split] = found;
          }
          return { scores, ranking, details: detailsOf() };
        },
        async close() {
          model?.release();
        },
      };
    },
    async openScorer(context, run) {
      const loaded = await loadCf(context, await context.session.device(), runOnDisk(run));
      return { ...cfScorer(context, loaded), close: async () => loaded.model.release() };
    },
  };
}

/** Says what the metrics of lists do not show. */
function warnOfLists({ session: { log } }: RunnerContext, split: SplitName, found: RankingResult): void {
  const { users, usersUnknown, targetsUnseen, negatives } = found;
  if (usersUnknown > 0) {
    log.warn(
      `${split}: nothing is known of ${usersUnknown} of ${users} ranked users: their lists are the same for everybody`,
    );
  }
  if (targetsUnseen > 0 && negatives === null) {
    const what =
      targetsUnseen === 1
        ? 'target has no train rows, so that no list holds it'
        : 'targets have no train rows, so that no list holds them';
    log.warn(`${split}: ${targetsUnseen} ${what}`);
  }
}

/** What the lists will be compared with, before hours of training. @throws InputError for negatives that cannot be drawn */
function checkLists({ config, dataset }: RunnerContext): void {
  const { k, ...protocol } = config.evaluation.ranking;
  if (k === null) return;
  for (const split of ['valid', 'test'] as const) {
    const isUsed = config.evaluation.splits.includes(split) || (split === 'valid' && isRanking(config.cf.selectBy));
    if (isUsed) checkRanking(dataset, split, { k, ...protocol });
  }
}

const isRanking = (selection: Selection) => selection !== 'auc' && selection !== 'last';

function cfScorer({ dataset, config }: RunnerContext, { model, details }: Prepared): Omit<Scorer, 'close'> {
  const histories = model.histories(dataset);
  const knows = knownUsers(model, dataset, details, config);
  const scorePairs = async (pairs: Pairs) => {
    const last = (index: number, limit: number) => {
      const at = pairs.place[index];
      return at ? histories.before(at.split, at.row, limit) : histories.latest(pairs.user[index]!, limit);
    };
    return logitsToScores(await model.scorePairs(pairs.user, pairs.item, last));
  };
  return {
    scorePairs,
    async best(user, options) {
      if (!knows(user)) return popularItems(dataset, user, options);
      const isRanked = (item: number) => options.candidates !== null || model.itemSeen[item] === 1;
      const items = itemsInQuestion(dataset, user, options).filter(isRanked);
      return bestOf(items, await scorePairs(pairsOf(user, items)), options.count);
    },
  };
}

/** Scores of a model that gives logits: their logistic function is the probability. */
export function logitsToScores(logits: Float32Array): Scores {
  const logit = Float64Array.from(logits);
  return { logit, score: logit.map((value) => 1 / (1 + Math.exp(-value))) };
}
