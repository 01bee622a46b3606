/**
 * The experiment config: every key with its type, default and meaning. Defaults follow the paper unless the text says
 * otherwise.
 */
import { addedCfModels, baselines } from '@crossgate/cf/registry';
import { InputError } from '@crossgate/core';
import { methods as hybridMethods } from '@crossgate/fusion/methods';
import { z } from 'zod';
import { api } from './api-schema';
import { ownMethods } from './own-methods';
import { baseline, CF_METHODS, CONTROLS, cf, cfKeys, cfMethods, currentCf } from './rooms/cf';
import { data } from './rooms/data';
import { evaluation } from './rooms/evaluation';
import { alg, gate, llm, lora, loss, prompt } from './rooms/language-model';
import { type stage, training } from './rooms/training';

export { CF_METHODS, cfMethods, cfModels, LOSSES } from './rooms/cf';
export { RANKING_METRICS, SPLIT_NAMES, type SplitName } from './rooms/evaluation';
export { PRECISIONS, WEIGHT_STORAGES } from './rooms/language-model';
export { ACTIVATION_STORAGES, STAGE_KEYS } from './rooms/training';

const methodNames = (models: readonly string[]): readonly string[] => [
  ...baselines.map(({ name }) => name),
  ...Object.keys(ownMethods),
  ...models,
  ...hybridMethods.map(({ name }) => name),
];

/** Methods by name: those with a runner of their own, collaborative filtering, then those with a language model. */
export const METHOD_NAMES: readonly string[] = methodNames(CF_METHODS);

/** The resolved config of one experiment. Unknown keys are errors. */
export const configSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be letters, digits, dots, dashes and underscores')
    .max(100)
    .describe('Name of the experiment, part of the run folder; default: the name of the file'),
  method: z.enum(METHOD_NAMES).describe('What is trained'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe('Seed of every random choice'),
  data: data.prefault({}).describe('Data set'),
  control: z
    .enum(CONTROLS)
    .default('none')
    .describe(
      'Gives methods with CF vectors the vectors of other items or users, or random ones: what is gained by them is not collaborative filtering; permuted-at-evaluation trains on the right ones',
    ),
  baseline: baseline.prefault({}).describe('item-mean, mean and running-mean'),
  cf: cf.prefault({}).describe('Collaborative-filtering model'),
  llm: llm.prefault({}).describe('Language model'),
  api: api.prefault({}).describe('Language model of api-llm, behind an OpenAI-compatible endpoint'),
  lora: lora.prefault({}).describe('Low-rank adapters'),
  prompt: prompt.prefault({}).describe('Prompt'),
  alg: alg.prefault({}).describe("Alignment network: CF space to the LLM's"),
  gate: gate.prefault({}).describe('Gate: how much CF is added to each title token'),
  loss: loss.prefault({}).describe('Loss of LLM-based methods'),
  training: training
    .prefault({})
    .describe('Stages of LLM-based methods, and how often any training writes a checkpoint'),
  evaluation: evaluation.prefault({}).describe('Scoring'),
});

/**
 * {@link configSchema}, and with it the models that were registered: the options of one are those that it declares.
 * @throws InputError for a model with a name that is taken
 */
export function currentConfigSchema(): typeof configSchema {
  const added = addedCfModels().map(({ name }) => name);
  if (added.length === 0) return configSchema;
  const taken = added.find((name) => name in cfKeys || METHOD_NAMES.includes(name));
  if (taken !== undefined) {
    throw new InputError('a method or a key of cf has this name', {
      code: 'config.value',
      place: `CF model ${taken}`,
      fix: 'register it under another',
    });
  }
  const method = z.enum(methodNames(cfMethods())).describe('What is trained');
  return configSchema.extend({ method, cf: currentCf().prefault({}).describe('Collaborative-filtering model') });
}

/** The resolved config of one experiment. */
export type ExperimentConfig = z.output<typeof configSchema>;
/** Settings of one training stage. */
export type StageConfig = z.output<typeof stage>;

/** The part of JSON Schema that is read here. */
export interface JsonSchema {
  /** Schema of each key of an object. */
  properties?: Record<string, JsonSchema>;
  /** Keys that an object must have. */
  required?: string[];
  [key: string]: unknown;
}

/** Made once for the models of the moment: reading many configs asks for it many times. */
const jsonSchemas = new WeakMap<typeof configSchema, JsonSchema>();

/**
 * JSON Schema of a config file: the resolved config, nothing required, plus the keys that only files have. Not to be
 * changed: every caller gets the same.
 */
export function configJsonSchema(): JsonSchema {
  const current = currentConfigSchema();
  const made = jsonSchemas.get(current) ?? makeJsonSchema(current);
  jsonSchemas.set(current, made);
  return made;
}

function makeJsonSchema(config: typeof configSchema): JsonSchema {
  const schema = z.toJSONSchema(config, { io: 'input' }) as JsonSchema;
  delete schema.required;
  schema.properties = {
    extends: {
      description: 'Config file or files this one starts from, relative to it; later ones win, this file wins over all',
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
    },
    ...schema.properties,
    provenance: {
      description:
        'Written into the config.yaml of a run; ignored when read, and old names of keys beside it are still understood',
      type: 'object',
    },
  };
  return { ...schema, title: 'Crossgate experiment' };
}
