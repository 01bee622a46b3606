/** What decides the end of each stage of a training, so that two trainings can tell how far they are the same. */
import { createHash } from 'node:crypto';
import {
  type GroupName,
  learnedVectors,
  type Method,
  type Stage,
  usesCf,
  usesGate,
  usesNeighbors,
} from '@crossgate/fusion/methods';
import type { ExperimentConfig } from '../config/schema';
import { declaredMethod, stagesOfConfig } from './declared-stages';

/** What a training works with besides its config. */
export interface TrainingInputs {
  /** Hash of the data set. */
  readonly data: string;
  /** Hash of the language model. */
  readonly model: string | null;
  /** What tells the vectors of each CF backend from others, in the order of `cf.run`. */
  readonly vectors: readonly string[];
}

/** A stage, as others are compared with it. */
export interface StageKey {
  /** SHA-256 of all that decides the state at the end of the stage, the stages before it included. */
  readonly key: string;
  /** The groups that it trains. */
  readonly trains: readonly GroupName[];
}

/**
 * The keys of a config's stages: on one adapter, equal keys are equal bits. A stage that no CF vector enters has the same
 * key whatever the CF model. None with activations or products in f16, whose loss scale goes from stage to stage and is in
 * no finished run.
 */
export function stageKeys(config: ExperimentConfig, { data, model, vectors }: TrainingInputs): StageKey[] {
  const { training, evaluation, prompt, llm, control } = config;
  if (training.activations !== 'f32' || llm.precision !== 'f32') return [];
  const method = declaredMethod(config);
  const { seed, lora, loss, alg, gate } = config;
  const { selectBy, checkpointing } = training;
  const { validRows, batchTokens } = evaluation;
  let key = digest({
    ...{ data: [{ ...config.data, path: null, name: null }, data], model, llm: { ...llm, path: null } },
    ...{ seed, lora, loss, selectBy, checkpointing, validRows, batchTokens },
    prompt: { noun: prompt.noun, historyLength: prompt.historyLength },
  });
  const cf = {
    ...{ cf: { ...config.cf, run: null }, vectors, slots: method.slots, alg, gate: usesGate(method) ? gate : null },
    // Training is not controlled where the evaluation is.
    control: control === 'permuted-at-evaluation' ? 'none' : control,
    neighbors: usesNeighbors(method) ? [prompt.neighborCount, prompt.excludeTarget] : null,
  };
  const { trainCf, cfDropout, userDropout, ...stage2 } = training.stage2;
  const settings = { stage1: training.stage1, stage2 };
  return stagesOfConfig(method, config).map((stage) => {
    const { template, best } = stage;
    const read = { slots: slotsOf(method, stage) };
    const trains = stage.trains.filter((name) => name !== 'cf' || (trainCf && control !== 'random-vectors'));
    const isAligned = trains.includes('fusion') || trains.includes('cf');
    key = digest({
      ...{ before: key, template, best, trains, read, settings: { ...settings[stage.settings], template: null } },
      ...(isAligned && { dropout: [cfDropout, userDropout] }),
      ...((isAligned || usesCf(read) || usesNeighbors(read)) && cf),
      ...((trains.includes('learned') || learnedVectors(read.slots) > 0) && { learned: learnedVectors(method.slots) }),
    });
    return { key, trains };
  });
}

/**
 * How many stages a training can take over from a finished one: those that they begin with alike, and whose end a
 * finished run still has, since no later stage of it trains the same groups.
 */
export function stagesInCommon(own: readonly StageKey[], finished: readonly StageKey[]): number {
  let count = 0;
  while (count < own.length && own[count]!.key === finished[count]?.key) count++;
  const isKept = () => {
    const before = finished.slice(0, count).flatMap(({ trains }) => trains);
    return !finished.slice(count).some(({ trains }) => trains.some((name) => before.includes(name)));
  };
  while (count > 0 && !isKept()) count--;
  return count;
}

/** The slots that the prompt of a stage has. */
function slotsOf({ slots }: Method, { template }: Stage): Method['slots'] {
  return Object.fromEntries(Object.entries(slots).filter(([name]) => template.includes(`{${name}}`)));
}

const digest = (content: unknown): string => createHash('sha256').update(JSON.stringify(content)).digest('hex');
