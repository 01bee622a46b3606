/** Rules that end a trial before its training ends. */
import type { ExperimentConfig } from '../config/schema';
import type { MetricsRecord } from '../runs/metrics-log';
import { budgetUnit, positionOf, type SweepObjective, validationsOf, valueOfRecords } from './objective';

/** Asked after each record with all records so far: whether the training stops here. */
export type StopRule = (records: readonly MetricsRecord[]) => boolean;

/** Stops a CF model after so many epochs. */
export function stopAfter(epochs: number): StopRule {
  return (records) => {
    const last = records.at(-1);
    return last?.phase === 'cf' && last.step >= epochs;
  };
}

/** A trial that was trained to its end. */
export interface FinishedTrial {
  /** Its config. */
  readonly config: ExperimentConfig;
  /** All records of its log. */
  readonly records: readonly MetricsRecord[];
}

/** Trials that must have finished before one is judged by them. */
const LEAST_FINISHED = 3;

/**
 * The median stopping rule (Golovin et al., KDD 2017) on best values: a trial stops when what it has reached is below the
 * median of what the finished trials had reached at the same point, which is an epoch, or a number of rows of a stage. A CF
 * model is not judged in its `cf.warmupEpochs`.
 * @param finished trials that ran before; fewer than 3 stop nothing
 */
export function stopBelowMedian(
  finished: readonly FinishedTrial[],
  config: ExperimentConfig,
  objective: SweepObjective,
): StopRule {
  const warmup = budgetUnit(config) === 'epochs' ? config.cf.warmupEpochs : 0;
  return (records) => {
    const last = records.at(-1);
    // Steps between two validations tell nothing new.
    if (finished.length < LEAST_FINISHED || !last || validationsOf([last], config).length === 0) return false;
    const point = positionOf(last, config);
    if (point <= warmup) return false;
    const upToPoint = (own: readonly MetricsRecord[], of: ExperimentConfig) =>
      own.filter((record) => record.phase === last.phase && positionOf(record, of) <= point);
    const reached = valueOfRecords(upToPoint(records, config), config, objective);
    const others = finished
      .map((trial) => valueOfRecords(upToPoint(trial.records, trial.config), trial.config, objective))
      .filter((value) => value !== null)
      .sort((a, b) => a - b);
    if (reached === null || others.length < LEAST_FINISHED) return false;
    const middle = Math.floor(others.length / 2);
    const median = others.length % 2 === 1 ? others[middle]! : (others[middle - 1]! + others[middle]!) / 2;
    return reached < median;
  };
}
