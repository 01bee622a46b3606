/** What a sweep maximizes: a metric of the validation rows, of a finished run or of one as far as it has come. */
import { InputError } from '@crossgate/core';
import { stagesOf } from '@crossgate/fusion/methods';
import { declarationOf } from '../config/method-defaults';
import { cfMethods, type ExperimentConfig, RANKING_METRICS } from '../config/schema';
import type { ExperimentResult } from '../experiment';
import type { MetricsRecord } from '../runs/metrics-log';

/** Metrics that a sweep can maximize, all of the validation rows. */
export const SWEEP_OBJECTIVES = ['auc', 'uauc', ...RANKING_METRICS] as const;
/** A metric that a sweep maximizes. */
export type SweepObjective = (typeof SWEEP_OBJECTIVES)[number];

type ListMetric = (typeof RANKING_METRICS)[number];
const isListMetric = (name: string): name is ListMetric => RANKING_METRICS.some((metric) => metric === name);

/** What the training of a config is counted in: epochs of a CF model, rows of stages; null: nothing is trained step by step. */
export type BudgetUnit = 'epochs' | 'rows';

/** @see BudgetUnit */
export function budgetUnit(config: ExperimentConfig): BudgetUnit | null {
  const { method, cf, training } = config;
  if (cfMethods().includes(method)) return cf.run === null ? 'epochs' : null;
  const declaration = declarationOf(method);
  return declaration !== undefined && stagesOf(declaration, training.strategy).length > 0 ? 'rows' : null;
}

/** What a CF training chooses its epoch by, or the stages of a language model their state. */
const selectionOf = ({ method, cf, training }: ExperimentConfig) =>
  cfMethods().includes(method) ? cf.selectBy : training.selectBy;

/** The objective where the user names none: that of lists by which every trial chooses its epoch, else AUC. */
export function defaultObjective(configs: readonly ExperimentConfig[]): SweepObjective {
  const chosen = new Set(configs.map(selectionOf));
  const [only] = chosen;
  return chosen.size === 1 && only !== undefined && isListMetric(only) ? only : 'auc';
}

/**
 * Checks that trials have an objective that can be compared.
 * @param early whether trials are judged before they end
 * @throws InputError naming `--objective`, or what does not go with it
 */
export function checkObjective(
  objective: SweepObjective,
  configs: readonly ExperimentConfig[],
  keys: readonly string[],
  early: boolean,
): void {
  const refuse = (problem: string, fix: string, place = '--objective') =>
    new InputError(problem, { code: 'usage', place, fix });
  const list = isListMetric(objective);
  for (const config of configs) {
    if (list && config.evaluation.ranking.k === null)
      throw refuse(
        `${objective} is of lists, and evaluation.ranking.k is not set`,
        'add --set evaluation.ranking.k=10',
      );
    if (early && list && config.cf.selectBy !== objective)
      throw refuse(
        `${objective} is known after each epoch only where cf.selectBy is ${objective} too`,
        `add --set cf.selectBy=${objective}`,
      );
  }
  const moving = list ? keys.find((key) => key === 'evaluation' || key.startsWith('evaluation.ranking')) : undefined;
  if (moving !== undefined) throw refuse(`${moving} changes what ${objective} is`, 'fix it with --set', moving);
}

/** The objective of a finished run; null where it is not defined. */
export function valueOfResult(
  { metrics, ranking }: Pick<ExperimentResult, 'metrics' | 'ranking'>,
  objective: SweepObjective,
): number | null {
  if (isListMetric(objective)) return ranking?.valid?.[objective] ?? null;
  return metrics.valid?.[objective] ?? null;
}

/** The validations of a training: of its CF model for a CF method, of its stages for one on a language model. */
export function validationsOf(records: readonly MetricsRecord[], config: ExperimentConfig): readonly MetricsRecord[] {
  const ofCf = budgetUnit(config) === 'epochs';
  return records.filter((record) => (record.phase === 'cf') === ofCf && record.validAuc !== undefined);
}

/** How far a training was when a record was written: epochs, or rows of the record's stage, passes counted. */
export function positionOf({ phase, step }: MetricsRecord, { training }: ExperimentConfig): number {
  return phase === 'stage1' || phase === 'stage2' ? step * training[phase].batchSize : step;
}

/**
 * The objective that a run would have if it ended after these records: at the epoch or step that it would choose.
 * @returns null where there is none yet, or it is not defined
 */
export function valueOfRecords(
  records: readonly MetricsRecord[],
  config: ExperimentConfig,
  objective: SweepObjective,
): number | null {
  const validations = validationsOf(records, config);
  const { k } = config.evaluation.ranking;
  const columnOf = (name: string) => (name === 'auc' ? 'validAuc' : name === 'uauc' ? 'validUauc' : `${name}@${k}`);
  const selection = selectionOf(config);
  const chosen = validations.reduce<MetricsRecord | undefined>((best, record) => {
    if (best === undefined || selection === 'last') return record;
    const [now, then] = [record[columnOf(selection)], best[columnOf(selection)]];
    return typeof now === 'number' && typeof then === 'number' && now <= then ? best : record;
  }, undefined);
  const value = chosen?.[columnOf(objective)];
  return typeof value === 'number' ? value : null;
}
