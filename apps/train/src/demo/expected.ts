/**
 * How long an experiment of the demo should take: a guess from its config, so that it stays true when the config
 * changes.
 */

import { cfMethods, type ExperimentConfig } from '@crossgate/experiment';
import { methods as languageModelMethods, stagesOf, usesCf } from '@crossgate/fusion/methods';

/** Rows a second on two idle cores through software Vulkan, with the demo's language model. */
const RATES = { factorization: 400_000, training: 130, scoring: 250 } as const;
/** Seconds that any run takes: building the data, opening the GPU and the model. */
const OVERHEAD = { light: 0.5, gpu: 3 } as const;

/** Rows of each split. */
export interface SplitRows {
  readonly train: number;
  readonly valid: number;
  readonly test: number;
}

/**
 * Seconds on two cores through software Vulkan. A CF model is taken to need all its epochs at the rate of MF, unless
 * `cf.run` is given.
 */
export function expectedSeconds(config: ExperimentConfig, rows: SplitRows): number {
  const declaration = languageModelMethods.find(({ name }) => name === config.method);
  const factorizes =
    cfMethods().includes(config.method) || (declaration !== undefined && usesCf(declaration) && config.cf.run === null);
  if (declaration === undefined && !factorizes) return OVERHEAD.light;
  const factorization = factorizes ? (config.cf.epochs * (rows.train + rows.valid)) / RATES.factorization : 0;
  if (declaration === undefined) return OVERHEAD.gpu + factorization;
  let [trained, scored] = [0, 0];
  for (const { settings } of stagesOf(declaration, config.training.strategy)) {
    const { rows: wanted, epochs, batchSize, evaluateEvery } = config.training[settings];
    const stage = Math.min(wanted ?? rows.train, rows.train) * epochs;
    const evaluations = evaluateEvery === null ? epochs : Math.ceil(stage / batchSize / evaluateEvery);
    trained += stage;
    scored += evaluations * Math.min(config.evaluation.validRows ?? rows.valid, rows.valid);
  }
  for (const split of config.evaluation.splits) {
    const all = rows[split];
    scored += split === 'test' ? Math.min(config.evaluation.testRows ?? all, all) : all;
  }
  return OVERHEAD.gpu + factorization + trained / RATES.training + scored / RATES.scoring;
}
