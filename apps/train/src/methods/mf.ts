/** Matrix factorization as a method of its own. */
import type { SplitName } from '../config/schema';
import { evaluatedRows, pick } from '../evaluated-rows';
import { openGpu } from '../gpu';
import type { Scores } from '../predictions';
import { checkCfRun, prepareCf } from './cf-phase';
import type { Method } from './method';
import { checkCfSizes } from './parameter-sizes';

export const mf: Method = {
  name: 'mf',
  information: 'T',
  trained: true,
  async open(context) {
    const { config, dataset, log } = context;
    await checkCfRun(context);
    const device = await openGpu(context.adapter, log);
    try {
      checkCfSizes(device, config, dataset);
    } catch (error) {
      device.destroy();
      throw error;
    }
    return {
      adapter: device.capabilities.name,
      async train(run) {
        const { model, details } = await prepareCf(context, run, device);
        const scores: Partial<Record<SplitName, Scores>> = {};
        for (const split of config.evaluation.splits) {
          const { user, item } = dataset.splits[split];
          const rows = evaluatedRows(config, dataset, split);
          scores[split] = logitsToScores(await model.scorePairs(pick(user, rows), pick(item, rows)));
        }
        return { scores, details: { trainRows: dataset.splits.train.rows, cf: details, memory: device.report() } };
      },
      async close() {
        device.destroy();
      },
    };
  },
};

/** Scores of a model that gives logits: their logistic function is the probability. */
export function logitsToScores(logits: Float32Array): Scores {
  const logit = Float64Array.from(logits);
  return { logit, score: logit.map((value) => 1 / (1 + Math.exp(-value))) };
}
