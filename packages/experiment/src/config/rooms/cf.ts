/**
 * The rooms `baseline` and `cf`: trivial baselines and collaborative filtering. Options of each model are as it
 * declares them.
 */
import type { CfControl } from '@crossgate/cf';
import {
  addedCfModels,
  type CfDeclaration,
  type CfModelName,
  type CfOption,
  type CfOptionValues,
  cfDeclarations,
} from '@crossgate/cf/registry';
import { z } from 'zod';
import { RANKING_METRICS } from './evaluation';
import { betas, count, LONGEST, nonNegative, word } from './values';

/** `baseline`. */
export const baseline = z.strictObject({
  strength: z.number().positive().default(5).describe('Prior strength, in rows, of smoothed means'),
  residualScale: z.number().default(4).describe('running-mean: weight of the mean residual of the user'),
});

/** The type of an option as it is declared. */
function optionType(option: CfOption): z.ZodType {
  if (option.type === 'switch') return z.boolean().default(option.default).describe(option.meaning);
  if (option.type === 'choice') return z.enum(option.values).default(option.default).describe(option.meaning);
  const { min, above, max, below } = option;
  let type: z.ZodNumber = option.type === 'whole' ? z.int() : z.number();
  if (min !== undefined) type = type.min(min);
  if (above !== undefined) type = type.gt(above);
  if (max !== undefined) type = type.max(max);
  if (below !== undefined) type = type.lt(below);
  return type.default(option.default).describe(option.meaning);
}

/** The section of a model. */
function sectionOf({ name, options }: CfDeclaration): z.ZodType {
  const keys = Object.entries(options).map(([key, option]) => [key, optionType(option)] as const);
  return z.strictObject(Object.fromEntries(keys)).prefault({}).describe(`Only for the model ${name}`);
}

const sectionsOf = (models: readonly CfDeclaration[]) =>
  Object.fromEntries(models.map((model) => [model.name, sectionOf(model)]));

/** The options of each model of `@crossgate/cf`, by its name. */
type Sections = {
  readonly [M in (typeof cfDeclarations)[number] as M['name']]: z.ZodPrefault<
    z.ZodType<CfOptionValues<M['options']>, Partial<CfOptionValues<M['options']>>>
  >;
};

/** Collaborative filtering by itself: the models of `cf.model`. */
export const CF_METHODS: readonly string[] = cfDeclarations.map(({ name }) => name);

/** The declarations of all models, those that were registered last. */
export const cfModels = (): readonly CfDeclaration[] => [...cfDeclarations, ...addedCfModels()];

/** {@link CF_METHODS}, then the models that were registered. */
export function cfMethods(): readonly string[] {
  return cfModels().map(({ name }) => name);
}

const modelType = (names: readonly string[]) =>
  z
    .enum(names)
    .default('mf' satisfies CfModelName)
    .describe('Collaborative-filtering model');

/** Losses of CF models. */
export const LOSSES = ['bce', 'sampled-bce', 'bpr', 'softmax', 'sequence-bce'] as const;

/** The keys of `cf`. */
export const cfKeys = {
  model: modelType(CF_METHODS),
  cfDim: count(65_536).default(128).describe('Width of user and item vectors (paper: 128)'),
  initStd: z.number().positive().default(1).describe('Standard deviation of the initial vectors (CoLLM: 1)'),
  loss: z
    .enum(LOSSES)
    .default('bce')
    .describe(
      'bce: labels of all rows (CoLLM); the others learn from positives, with sampled negatives or all items; sequence-bce: sasrec, all positions at once',
    ),
  optimizer: z.enum(['adam', 'adamw']).default('adam').describe('adam couples the weight decay, adamw decouples it'),
  learningRate: z.number().positive().default(1e-3).describe('Adam learning rate (1e-3 or 1e-2)'),
  betas: betas.default([0.9, 0.999]).describe('Decay of the first and second moment'),
  weightDecay: nonNegative.default(1e-4).describe('Coupled L2 of Adam, dense (CoLLM: 1e-4)'),
  batchSize: count(1e6).default(1024).describe('Rows per step (paper: 1024)'),
  epochs: count(1e6).default(1000).describe('Most epochs'),
  patience: count(LONGEST).default(100).describe('Stop after this many epochs without a better validation AUC'),
  selectBy: z
    .enum(['auc', ...RANKING_METRICS, 'last'])
    .default('auc')
    .describe(
      'What the best epoch is chosen by, on valid; recall … hit need evaluation.ranking.k; last: the last epoch stands',
    ),
  warmupEpochs: z
    .int()
    .nonnegative()
    .max(1e6)
    .default(200)
    .describe('Epochs before early stopping counts: plain MF stays near AUC .5 for 100 and more'),
  warmupSteps: z.int().nonnegative().max(LONGEST).default(0).describe('Steps of linear warm-up of the learning rate'),
  warmupStart: nonNegative.default(0).describe('Learning rate of the first warm-up step'),
  schedule: z
    .enum(['constant', 'cosine'])
    .default('constant')
    .describe('Learning rate after the warm-up; a cosine ends with the last of epochs'),
  minLearningRate: nonNegative.default(0).describe('Where the cosine ends'),
  run: z
    .union(
      [word, z.array(word).length(2, 'must be the folder of a run, or a list of two')],
      'must be the folder of a run, or a list of two',
    )
    .nullable()
    .default(null)
    .meta({
      description:
        'Finished CF run to take the vectors from; two of them: both are fused (eq. 7), each with the cf keys of its own run; null: train one first',
    }),
  // What is declared becomes the type that the declaration names.
  ...(sectionsOf(cfDeclarations) as Sections),
};
/** `cf`. */
export const cf = z.strictObject(cfKeys);

/**
 * `cf` with the models that were registered. Their keys are read by name alone: the type is that of the models known
 * here.
 */
export function currentCf(): typeof cf {
  const added = addedCfModels();
  const keys = { ...cfKeys, model: modelType(cfMethods()), ...sectionsOf(added) };
  return z.strictObject(keys) as unknown as typeof cf;
}

/** What may stand in the place of CF vectors, to see what these are worth. */
export const CONTROLS = [
  'none',
  'permuted-items',
  'permuted-users',
  'random-vectors',
  'permuted-at-evaluation',
] as const satisfies readonly (CfControl | 'none')[];
