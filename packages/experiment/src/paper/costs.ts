/** What a reproduction costs, before any of its runs is made. */
import { isInputError } from '@crossgate/core';
import { declarationOf } from '../config/method-defaults';
import type { ExperimentConfig } from '../config/schema';
import { type StageKey, stageKeys, stagesInCommon } from '../runners/stage-keys';
import type { Session } from '../session';
import { Laboratory } from './laboratory';
import { experimentsOf, type PaperPlan, paperCell, rowsOf, seedsOf, stagesToTrain } from './plan';
import type { ReproduceOptions } from './reproduce';

/** What the runs of some parts cost, before any of them is made. */
export interface PaperCost {
  /** Its key. */
  readonly experiment: string;
  /** As tables name it. */
  readonly label: string;
  /** Name of the data set. */
  readonly dataset: string;
  /** Number of runs. */
  readonly seeds: number;
  /** Prompts that all seeds train on; 0 without a language model. */
  readonly trainedPrompts: number;
  /** Prompts scored at validations and at the end. */
  readonly scoredPrompts: number;
  /** An earlier experiment whose first stages are those of this one, and are not trained again; null where none is. */
  readonly stagesFrom: string | null;
  /** Which rows show it. */
  readonly rows: readonly string[];
}

/** Lists the experiments that parts need, with what each costs. Data sets that are not there count as if they had no rows. */
export async function paperCosts(
  plan: PaperPlan,
  session: Session,
  { parts, only = [] }: Pick<ReproduceOptions, 'parts' | 'only'>,
): Promise<PaperCost[]> {
  const costs: PaperCost[] = [];
  const lab = new Laboratory(plan, session, '');
  for (const dataset of plan.profile.datasets) {
    const rows = rowsOf(parts, only).filter(({ datasets }) => datasets.includes(dataset.published));
    const splits = await lab.dataset(dataset).then(
      ({ splits: { train, valid, test } }) => ({ train: train.rows, valid: valid.rows, test: test.rows }),
      (error: unknown) => {
        if (!isInputError(error)) throw error;
        return { train: 0, valid: 0, test: 0 };
      },
    );
    const before: { readonly key: string; readonly stages: readonly StageKey[] }[] = [];
    for (const key of experimentsOf(parts, rows)) {
      const { config, experiment } = await paperCell(plan, key, dataset, 1);
      const { length: seeds } = seedsOf(plan, experiment);
      const isTrained = declarationOf(experiment.method) !== undefined;
      const stages = isTrained ? stageKeys(config, { data: '', model: '', vectors: experiment.backends }) : [];
      const alike = before.map((other) => ({ key: other.key, count: stagesInCommon(stages, other.stages) }));
      const count = Math.max(0, ...alike.map((other) => other.count));
      const stagesFrom = count === 0 ? null : alike.find((other) => other.count === count)!.key;
      before.push({ key, stages });
      const [trained, scored] = promptsOf(config, splits, count);
      costs.push({
        ...{ experiment: key, label: experiment.label, dataset: dataset.name, seeds, stagesFrom },
        ...{ trainedPrompts: seeds * trained, scoredPrompts: seeds * scored },
        rows: rows.filter(({ experiment }) => experiment === key).map(({ id }) => id),
      });
    }
  }
  return costs;
}

/**
 * Prompts that a run trains on, and that it scores: at validations, and at the end. None without a language model.
 * @param taken stages from the first on that it takes from another run
 */
function promptsOf(
  { training, evaluation, method, api }: ExperimentConfig,
  rows: Readonly<Record<'train' | 'valid' | 'test', number>>,
  taken: number,
): [number, number] {
  const stages = stagesToTrain({ method, training, api });
  if (stages === undefined) return [0, 0];
  const isClosed = method === 'api-llm';
  let [trained, scored] = [0, 0];
  for (const name of stages.slice(taken)) {
    const { rows: wanted, epochs, batchSize, evaluateEvery } = training[name];
    const passes = Math.min(wanted ?? rows.train, rows.train) * epochs;
    trained += passes;
    if (isClosed) continue; // Its endpoint validates nothing.
    const validations = evaluateEvery === null ? epochs : Math.ceil(passes / batchSize / evaluateEvery);
    scored += validations * Math.min(evaluation.validRows ?? rows.valid, rows.valid);
  }
  for (const split of evaluation.splits) {
    scored += split === 'test' ? Math.min(evaluation.testRows ?? rows.test, rows.test) : rows[split];
  }
  return [trained, scored];
}
