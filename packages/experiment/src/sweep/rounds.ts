/** How far a training goes as a whole, and in a round of halving. */

import { stagesOf } from '@crossgate/fusion/methods';
import { declarationOf } from '../config/method-defaults';
import type { ExperimentConfig } from '../config/schema';
import type { HalvingRound } from './halving';
import { budgetUnit } from './objective';

/** The stages that a config trains. */
function stageNames({ method, training }: ExperimentConfig): readonly ('stage1' | 'stage2')[] {
  return stagesOf(declarationOf(method)!, training.strategy).map(({ settings }) => settings);
}

/**
 * The epochs of a CF model, or the rows of the largest stage of a language model.
 * @param trainRows of the data set
 */
export function wholeBudget(config: ExperimentConfig, trainRows: number): number {
  if (budgetUnit(config) === 'epochs') return config.cf.epochs;
  return Math.max(...stageNames(config).map((name) => Math.min(config.training[name].rows ?? trainRows, trainRows)));
}

/** The config of a language model in a round: each stage is trained on its share of the rows that it would have. */
export function roundConfig(
  config: ExperimentConfig,
  { budget }: HalvingRound,
  rounds: readonly HalvingRound[],
  trainRows: number,
): ExperimentConfig {
  const whole = rounds.at(-1)!.budget;
  if (budget === whole) return config;
  const training = { ...config.training };
  const shorten = <Stage extends { readonly rows: number | null }>(stage: Stage): Stage => {
    const rows = Math.min(stage.rows ?? trainRows, trainRows);
    return { ...stage, rows: Math.max(1, Math.round((rows * budget) / whole)) };
  };
  for (const name of stageNames(config)) {
    if (name === 'stage1') training.stage1 = shorten(training.stage1);
    else training.stage2 = shorten(training.stage2);
  }
  return { ...config, training };
}
