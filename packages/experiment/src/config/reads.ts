/** Which keys of a config a run of its method reads, as data: sections (`lora`) and single keys (`evaluation.validRows`). */
import { baselines } from '@crossgate/cf/registry';
import { type Method, usesCf, usesGate } from '@crossgate/fusion/methods';
import { declarationOf } from './method-defaults';
import { findOwnMethod } from './own-methods';
import { cfMethods, cfModels, type ExperimentConfig, STAGE_KEYS } from './schema';

/** Read by every run. The seed is part of its name, whatever is drawn. */
const EVERY_RUN: readonly string[] = ['name', 'method', 'seed', 'data', 'evaluation.splits', 'evaluation.testRows'];

/** What says which CF vectors a run has, its own or those of `cf.run`; the section of `cf.model` belongs to them. */
const CF_VECTORS: readonly string[] = ['cf.model', 'cf.cfDim', 'cf.run'];

/** Read while a CF model is trained: not with `cf.run`. */
const CF_TRAINING: readonly string[] = [
  'cf.loss',
  'cf.optimizer',
  'cf.learningRate',
  'cf.betas',
  'cf.weightDecay',
  'cf.batchSize',
  'cf.epochs',
  'cf.patience',
  'cf.selectBy',
  'cf.warmupEpochs',
  'cf.warmupSteps',
  'cf.warmupStart',
  'cf.schedule',
  'cf.minLearningRate',
];

/** Read by every method with a language model. */
const LANGUAGE_MODEL: readonly string[] = [
  'llm',
  'lora',
  'prompt.noun',
  'prompt.historyLength',
  'prompt.template',
  'loss',
  'training.strategy',
  'training.selectBy',
  'training.checkpointing',
  'training.activations',
  'training.checkpointEvery',
  'evaluation.validRows',
  'evaluation.batchTokens',
];

/** What a stage reads of `training.stage2` when it trains a group, whichever stage it is. */
const GROUP_KEYS = {
  lora: [],
  learned: [],
  fusion: ['training.stage2.cfDropout', 'training.stage2.userDropout'],
  cf: ['training.stage2.trainCf'],
} as const satisfies Record<string, readonly string[]>;

function cfReads({ cf }: ExperimentConfig): string[] {
  // Each of two runs brings its own keys.
  if (Array.isArray(cf.run)) return ['cf.run'];
  const drawn = cfModels().find(({ name }) => name === cf.model)!.drawn ? ['cf.initStd'] : [];
  return [...CF_VECTORS, `cf.${cf.model}`, ...(cf.run === null ? [...CF_TRAINING, ...drawn] : [])];
}

/** Read for what CF recommends, by a method whose prompt can name it. */
function neighborReads(config: ExperimentConfig): string[] {
  const named = config.prompt.neighbors ? [...cfReads(config), 'prompt.neighborCount', 'prompt.excludeTarget'] : [];
  return ['prompt.neighbors', ...named];
}

function stageReads({ strategies }: Method, { training }: ExperimentConfig): string[] {
  const stages = strategies[training.strategy];
  // A strategy that the method lacks is refused when the method is opened, in words of its own.
  if (stages === undefined) return ['training'];
  return stages.flatMap(({ settings, trains }) => [
    ...STAGE_KEYS.map((key) => `training.${settings}.${key}`),
    ...trains.flatMap((group) => GROUP_KEYS[group]),
  ]);
}

/**
 * The keys that a run reads. A name of a section stands for everything in it. What a key's value makes moot, such as
 * `loss.k` for a loss without it, counts as read: the method is what decides, with `cf.model`, `cf.run` and
 * `training.strategy`.
 */
export function readsOf(config: ExperimentConfig): readonly string[] {
  const { method, cf } = config;
  const baseline = baselines.find(({ name }) => name === method);
  if (baseline !== undefined) return [...EVERY_RUN, ...baseline.options.map((key) => `baseline.${key}`)];
  const own = findOwnMethod(method);
  if (own !== undefined) {
    const trained = config.prompt.neighbors && cf.run === null ? ['training.checkpointEvery'] : [];
    const named = own.namesNeighbors ? [...neighborReads(config), ...trained] : [];
    return [...EVERY_RUN, ...own.reads, ...named];
  }
  if (cfMethods().includes(method)) {
    const trained = cf.run === null ? ['training.checkpointEvery'] : [];
    // The method's own section, also where cf.model is another: that is refused when the method is opened.
    return [...EVERY_RUN, ...cfReads(config), `cf.${method}`, ...trained, 'evaluation.ranking'];
  }
  const declaration = declarationOf(method)!;
  const fused = usesCf(declaration) ? [...cfReads(config), 'alg', 'control'] : [];
  const gated = usesGate(declaration) ? ['gate'] : [];
  const neighbors = declaration.neighborsTemplate === undefined ? [] : neighborReads(config);
  return [
    ...[...EVERY_RUN, ...LANGUAGE_MODEL, ...stageReads(declaration, config)],
    ...[...fused, ...gated, ...neighbors],
  ];
}

/** Those of some dotted paths that a run of this config does not read, in their order. */
export function unreadPaths(config: ExperimentConfig, paths: readonly string[]): string[] {
  const reads = readsOf(config);
  const isWithin = (path: string, section: string) => path === section || path.startsWith(`${section}.`);
  // An empty section (`cf: {}`) is read when something in it could be.
  return paths.filter((path) => !reads.some((read) => isWithin(path, read) || isWithin(read, path)));
}
