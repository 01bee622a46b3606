/** The experiment config: every key with its type, default and meaning. Defaults follow the paper unless the text says otherwise. */
import type { CfControl, CfModelName } from '@crossgate/cf';
import { addedCfModels } from '@crossgate/cf/registry';
import { InputError } from '@crossgate/core';
import { repeatRules } from '@crossgate/eval';
import { methods as hybridMethods } from '@crossgate/fusion/methods';
import type { WeightStorage } from '@crossgate/llm';
import type { ActivationStorage } from '@crossgate/tensor';
import { z } from 'zod';
import { api } from './api-schema';
import { ownMethods } from './own-methods';

/** Splits of every data set. */
export const SPLIT_NAMES = ['train', 'valid', 'test'] as const;
/** A split: `train`, `valid` or `test`. */
export type SplitName = (typeof SPLIT_NAMES)[number];

/** Metrics of lists that an epoch can be chosen by. */
export const RANKING_METRICS = ['recall', 'precision', 'ndcg', 'mrr', 'map', 'hit'] as const;

/** Losses of CF models. */
export const LOSSES = ['bce', 'sampled-bce', 'bpr', 'softmax', 'sequence-bce'] as const;

/** A whole number from 1 to `most`: far above any use, far below what stops the machine. */
const count = (most: number) => z.int().positive().max(most);
/** The most rows, steps or epochs of anything. */
const LONGEST = 1e9;
/** A list of words without repetition. */
const distinct = <T extends string>(values: readonly T[]) =>
  z
    .array(z.enum(values))
    .min(1)
    .superRefine((list, context) => {
      const twice = list.find((word, index) => list.indexOf(word) !== index);
      if (twice !== undefined) context.addIssue({ code: 'custom', message: `names ${twice} twice` });
    });
const betas = z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]);
const nonNegative = z.number().nonnegative();
/** A key that is null unless it is given. */
const optional = <T extends z.ZodType>(type: T) => type.nullable().default(null);
const word = z.string().min(1);
/** A column: its name, or its number where there is no header. */
const column = z.union([word, z.int().positive()], 'must be the name of a column, or its number');
/** A moment in time. */
const moment = z.union([z.number().nonnegative(), z.string().min(1)], 'must be seconds since 1970 or a date');

const stageKeys = {
  rows: count(LONGEST)
    .nullable()
    .default(null)
    .describe('Train on a seeded sample of this many rows; null: all training rows'),
  epochs: count(1e6).default(1).describe('Passes over those rows'),
  batchSize: count(1e6).default(3).describe('Rows per optimizer step (paper: 3; CoLLM: 16)'),
  optimizer: z.enum(['adamw']).default('adamw').describe('Optimizer'),
  learningRate: z.number().positive().default(1e-4).describe('Peak learning rate (paper: 1e-4; CoLLM: 1e-3)'),
  weightDecay: nonNegative.default(1e-3).describe('Decoupled weight decay, not on biases and norms (CoLLM: 1e-3)'),
  betas: betas.default([0.9, 0.999]).describe('Decay of the first and second moment'),
  epsilon: z.number().positive().default(1e-8).describe('Added to the root of the second moment'),
  warmupSteps: z.int().nonnegative().max(LONGEST).default(0).describe('Steps of linear warm-up (CoLLM: 200)'),
  warmupStart: nonNegative.default(1e-5).describe('Learning rate of the first warm-up step'),
  schedule: z.enum(['constant', 'cosine']).default('constant').describe('Learning rate after the warm-up'),
  minLearningRate: nonNegative.default(8e-5).describe('Where the cosine ends'),
  clipNorm: z.number().positive().nullable().default(null).describe('Clip the global gradient norm; null: never'),
  evaluateEvery: count(LONGEST).nullable().default(null).describe('Steps between validations; null: once per epoch'),
  patience: count(LONGEST)
    .nullable()
    .default(null)
    .describe('Stop after this many validations without a better AUC; null: never'),
  template: optional(word).describe('Prompt of this stage alone; null: that of the method, see prompt.template'),
};

/** One training stage of an LLM-based method. */
const stage = z.strictObject(stageKeys);

/** The keys that both stages have. */
export const STAGE_KEYS: readonly string[] = Object.keys(stageKeys);

const stage2 = z.strictObject({
  ...stageKeys,
  trainCf: z.boolean().default(true).describe('Also train the CF tables (ENC); the paper calls it optional'),
  cfDropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Share of users and items replaced by the zero vector, wherever ALG and GATE are trained'),
  userDropout: optional(z.number().min(0).lt(1)).describe('Share of users, where it differs; null: cfDropout'),
});

const data = z.strictObject({
  name: z.string().min(1).default('ml-1m').describe('Data set name (see `crossgate data list`)'),
  path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe('Prepared folder or source folder (csv: or the file); null: CROSSGATE_DATA/<name>, then ./data/<name>'),
  threshold: z.number().nullable().default(null).describe('A rating above it is a positive; null: 3'),
  split: z
    .strictObject({
      by: optional(z.enum(['time', 'ratio', 'leave-one-out'])).describe('How rows are split; null: time'),
      valid: optional(z.number().min(0).lt(1)).describe('time, ratio: share of valid; null: 0.1'),
      test: optional(z.number().min(0).lt(1)).describe('time, ratio: share of test; null: 0.1'),
      validFrom: optional(moment).describe('time: first moment of valid, instead of shares'),
      testFrom: optional(moment).describe('time: first moment of test, instead of shares'),
      seed: optional(
        z
          .int()
          .nonnegative()
          .max(2 ** 32 - 1),
      ).describe('ratio: seed of the draw; null: 1'),
      perUser: optional(z.boolean()).describe('ratio: shares of each user (null, true) or of all rows'),
    })
    .prefault({})
    .describe('Split of a data set that leaves it open'),
  filter: z
    .strictObject({
      minUserRows: optional(count(LONGEST)).describe('Users with fewer rows are left out, counted once; null: 1'),
      minItemRows: optional(count(LONGEST)).describe('Items with fewer rows are left out, counted once; null: 1'),
      kCore: optional(count(LONGEST)).describe('Then users and items with fewer, until none is left; null: 1'),
    })
    .prefault({})
    .describe('Rows that stay'),
  csv: z
    .strictObject({
      interactions: optional(word).describe('File of the events; null: interactions.csv'),
      items: optional(word).describe('File of the titles; null: items.csv where there is one'),
      separator: optional(z.string().length(1)).describe('Between fields; null: a comma'),
      encoding: optional(word).describe('Encoding of both files, such as windows-1252; null: UTF-8'),
      header: optional(z.boolean()).describe(
        'Whether the first line names the columns; false: columns are numbers from 1; null: yes, and a row is refused',
      ),
      decimal: optional(z.enum(['.', ','])).describe('Sign before fractions of ratings and times; null: a point'),
      missing: optional(
        z.union(
          [
            z.array(z.string()),
            z.partialRecord(z.enum(['user', 'item', 'rating', 'label', 'timestamp']), z.array(z.string())),
          ],
          'must be a list of texts, or lists by user, item, rating, label and timestamp',
        ),
      ).describe(
        'Texts of missing values, such as N/A: rows whose rating, label or time is one are left out; by column: {timestamp: ["0"]}; null: none',
      ),
      user: optional(column).describe('Column of users; null: user'),
      item: optional(column).describe('Column of items; null: item'),
      rating: optional(column).describe('Column of ratings; null: rating'),
      label: optional(column).describe('Column of labels, 0 or 1, used before ratings; null: label'),
      implicit: optional(z.boolean()).describe('Every row is a positive, such as a purchase: no ratings, no labels'),
      timestamp: optional(
        z.union(
          [word, z.int().positive(), z.literal(false)],
          'must be the name of a column, or its number, or false for none',
        ),
      ).describe('Column of times; false: no times are read; null: timestamp'),
      timeFormat: optional(word).describe(
        'How times are written: seconds, milliseconds, microseconds, nanoseconds, excel-days, or a pattern such as DD.MM.YYYY[ hh:mm]; null: seconds or ISO 8601',
      ),
      itemId: optional(column).describe('Column of items in the file of titles; null: item'),
      title: optional(column).describe('Column of titles; null: title'),
    })
    .prefault({})
    .describe('Files and columns of the data set csv'),
});

const baseline = z.strictObject({
  strength: z.number().positive().default(5).describe('Prior strength, in rows, of smoothed means'),
  residualScale: z.number().default(4).describe('running-mean: weight of the mean residual of the user'),
});

const mf = z.strictObject({
  biases: z.boolean().default(false).describe('Add a bias per user, per item and for all (CoLLM: no)'),
});

const lightgcn = z.strictObject({
  layers: z.int().nonnegative().max(64).default(2).describe('Layers of propagation (CoLLM: 2)'),
});

const sasrec = z.strictObject({
  historyLength: count(10_000).default(25).describe('Last positives that are read (CoLLM: 25)'),
  blocks: count(64).default(2).describe('Blocks (CoLLM: 2)'),
  heads: count(1024).default(1).describe('Attention heads; they divide cfDim (CoLLM: 1)'),
  norm: z.enum(['pre', 'post']).default('pre').describe('Where a block normalizes: its input, or its sum'),
  dropout: z.number().min(0).lt(1).default(0.2).describe('Dropout while SASRec is trained by itself (CoLLM: .2)'),
});

const asvd = z.strictObject({
  information: z
    .enum(['H', 'P'])
    .default('H')
    .describe('H: train labels and later positives; P: every earlier label of the user, also later dislikes'),
  historyLength: count(10_000).default(500).describe('Last clicks and positives that are read'),
  levelPrior: z
    .number()
    .positive()
    .default(20)
    .describe("Clicks of prior strength: how slowly a user's level follows the user's labels"),
  levelUpdates: z
    .enum(['every', 'doublings'])
    .default('every')
    .describe(
      "When a user's level takes in clicks: each time, or when their number has doubled, which ranks better inside a user",
    ),
});

/** The options of each model by its name. One without a section does not compile. */
const cfSections = {
  mf: mf.prefault({}).describe('Only for the model mf'),
  lightgcn: lightgcn.prefault({}).describe('Only for the model lightgcn'),
  sasrec: sasrec.prefault({}).describe('Only for the model sasrec'),
  asvd: asvd.prefault({}).describe('Only for the model asvd'),
} satisfies Record<CfModelName, z.ZodType>;

/** Collaborative filtering by itself: the models of `cf.model`. */
export const CF_METHODS: readonly string[] = Object.keys(cfSections);

/** {@link CF_METHODS}, then the models that were registered. */
export function cfMethods(): readonly string[] {
  return [...CF_METHODS, ...addedCfModels().map(({ name }) => name)];
}

const methodNames = (models: readonly string[]): readonly string[] => [
  ...Object.keys(ownMethods),
  ...models,
  ...hybridMethods.map(({ name }) => name),
];

/** Methods by name: those with a runner of their own, collaborative filtering, then those with a language model. */
export const METHOD_NAMES: readonly string[] = methodNames(CF_METHODS);

const cfKeys = {
  model: z.enum(CF_METHODS).default('mf').describe('Collaborative-filtering model'),
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
  ...cfSections,
};
const cf = z.strictObject(cfKeys);

/** What may stand in the place of CF vectors, to see what these are worth. */
const CONTROLS = [
  'none',
  'permuted-items',
  'permuted-users',
  'random-vectors',
  'permuted-at-evaluation',
] as const satisfies readonly (CfControl | 'none')[];

/** How training may keep what its backward pass reads. */
export const ACTIVATION_STORAGES = ['f32', 'f16'] as const satisfies readonly ActivationStorage[];
/** How the matrices of a language model may be kept on the device. */
export const WEIGHT_STORAGES = ['stored', 'f32', 'f16', 'int8', 'int4'] as const satisfies readonly WeightStorage[];

const llm = z.strictObject({
  path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'Model folder or GGUF: a path, a name in CROSSGATE_MODELS or ./models, or ORG/NAME as model pull fetched it',
    ),
  maxLength: count(1e6).default(700).describe("Longest prompt in tokens; the model's context is a second limit"),
  weights: z
    .enum(WEIGHT_STORAGES)
    .default('stored')
    .describe(
      'Linear layers, embeddings and head on the device: int8 and int4 in blocks of 32, made at load time (embeddings and head of 8 bits); stored: f32, and 16 bits and blocks of fewer as they are',
    ),
});

const lora = z.strictObject({
  rank: count(4096).default(8).describe('Rank r'),
  alpha: z.number().positive().default(16).describe('Scale is alpha / rank'),
  dropout: z.number().min(0).lt(1).default(0.05).describe('Dropout before A'),
  targets: z
    .union(
      [distinct(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']), z.string().min(1)],
      'must list layers such as q_proj, or be a pattern for their whole names',
    )
    .default(['q_proj', 'v_proj'])
    .meta({ description: 'Linear layers that get an adapter: a list, a pattern for whole names, or all-linear' }),
  rankStabilized: z.boolean().default(false).describe('Scale is alpha / √rank instead'),
});

const prompt = z.strictObject({
  noun: z.string().min(1).default('items').describe('What the template calls an item: items, movies, books'),
  historyLength: z
    .int()
    .nonnegative()
    .max(10_000)
    .default(10)
    .describe('Last positives of the user that the prompt names'),
  template: optional(word).describe("Prompt text with its slots; null: the method's own"),
  neighbors: z
    .boolean()
    .default(false)
    .describe('instruct, zero-shot, api-llm: also name the items that the CF model recommends to the user (Table 2)'),
  neighborCount: count(1000).default(10).describe('Items that are named as neighbors'),
  excludeTarget: z.boolean().default(false).describe('Leave the candidate out of the neighbors'),
});

const alg = z.strictObject({
  hiddenFactor: count(1024).default(10).describe('Hidden width as a multiple of cfDim (CoLLM: 10)'),
  init: z
    .enum(['torch', 'matchTokenNorm'])
    .default('torch')
    .describe("torch: as in the paper; matchTokenNorm: scaled to the LLM's mean token norm (ours)"),
});

const gate = z.strictObject({
  hidden: count(65_536)
    .nullable()
    .default(256)
    .describe('Width of the ReLU layer of both MLPs; null: a single linear layer'),
  activation: z.enum(['none', 'sigmoid', 'tanh']).default('none').describe('Applied to alpha (eq. 3: none)'),
  init: z.enum(['default', 'zero']).default('default').describe('zero: alpha starts at 0, the LLM undisturbed'),
  width: z
    .enum(['dimension', 'token', 'one'])
    .default('dimension')
    .describe('alpha per dimension (paper), one number per token, or fixed at 1 (no gate)'),
});

const loss = z.strictObject({
  name: z
    .enum(['eq5', 'yes-logit-bce', 'answer-ce'])
    .default('eq5')
    .describe(
      "eq5: paper; yes-logit-bce: CoLLM; answer-ce: cross entropy of the answer token; default: the method's own",
    ),
  k: nonNegative.default(2).describe('eq5: weight of the ranking term'),
  bprOn: z.enum(['probability', 'logit']).default('probability').describe('eq5: what the ranking term compares'),
});

const training = z.strictObject({
  strategy: z
    .enum(['two-stage', 'stage1-only', 'end-to-end', 'untrained'])
    .default('two-stage')
    .describe("Order of training (Table 4); one that the method lacks is refused; default: the method's first"),
  selectBy: z
    .enum(['auc', 'last'])
    .default('auc')
    .describe('What the best state of a language model is chosen by, on valid; last: the last one stands'),
  checkpointing: z
    .boolean()
    .default(false)
    .describe('Keep only the input of each layer and run it again backwards: less memory, more time, the same numbers'),
  activations: z
    .enum(ACTIVATION_STORAGES)
    .default('f32')
    .describe(
      'What training keeps for the backward pass; f16: half of what layers keep, under a dynamic loss scale; sums and parameters stay f32',
    ),
  checkpointEvery: count(LONGEST)
    .default(100)
    .describe(
      'Optimizer steps between two `last` checkpoints; also read when a CF model is trained, which writes at the end of an epoch',
    ),
  stage1: stage.prefault({}).describe('Stage 1: LoRA only'),
  stage2: stage2.prefault({}).describe('Stage 2: ENC, ALG and GATE only'),
});

const ranking = z.strictObject({
  k: optional(count(100_000)).describe('Length of the lists; null: no ranking metrics'),
  negatives: optional(count(LONGEST)).describe("Sampled negatives, ranked with the user's own items; null: all items"),
  users: optional(count(LONGEST)).describe(
    'A sample of this many users, the same for every method and seed; null: all',
  ),
  repeats: z
    .enum(repeatRules)
    .default('exclude')
    .describe(
      'Items that a user has a positive with in an earlier split: neither ranked nor targets (exclude), or both',
    ),
  mapDivisor: z
    .enum(['reachable', 'relevant'])
    .default('reachable')
    .describe("MAP: divide by what a list of k can hold (RecBole), or by all of the user's items (Microsoft)"),
});

const evaluation = z.strictObject({
  validRows: count(LONGEST)
    .nullable()
    .default(null)
    .describe('Seeded sample of validation rows for model selection; null: all'),
  batchTokens: count(1e7).default(8192).describe('Most prompt tokens scored in one batch'),
  splits: distinct(SPLIT_NAMES)
    .default(['valid', 'test'])
    .meta({ description: 'Splits scored at the end', uniqueItems: true }),
  testRows: count(LONGEST)
    .nullable()
    .default(null)
    .describe('Sample of test rows scored at the end, the same for every method and seed; null: all'),
  ranking: ranking.prefault({}).describe('Lists of the best items, of methods that are models of cf.model'),
});

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

/** {@link configSchema}, and with it the models that were registered: the options of one are any mapping, which its `check` reads. @throws InputError for a model with a name that is taken */
export function currentConfigSchema(): typeof configSchema {
  const added = addedCfModels().map(({ name }) => name);
  if (added.length === 0) return configSchema;
  const taken = added.find((name) => name in cfKeys || METHOD_NAMES.includes(name));
  if (taken !== undefined) {
    throw new InputError(`CF model ${taken}: a method or a key of cf has this name; register it under another`);
  }
  const model = z.enum(cfMethods()).default('mf').describe('Collaborative-filtering model');
  const section = (name: string) =>
    z.record(z.string(), z.unknown()).prefault({}).describe(`Only for the model ${name}`);
  const sections = Object.fromEntries(added.map((name) => [name, section(name)]));
  const method = z.enum(methodNames(cfMethods())).describe('What is trained');
  // The keys that are added are read by name alone: the type is that of the models known here.
  const extended = z.strictObject({ ...cfKeys, model, ...sections }) as unknown as typeof cf;
  return configSchema.extend({ method, cf: extended.prefault({}).describe('Collaborative-filtering model') });
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

/** JSON Schema of a config file: the resolved config, nothing required, plus the keys that only files have. */
export function configJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(currentConfigSchema(), { io: 'input' }) as JsonSchema;
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
