/** The room `training`: the stages of methods with a language model. */
import type { ActivationStorage } from '@crossgate/tensor';
import { z } from 'zod';
import { betas, count, LONGEST, nonNegative, optional, word } from './values';

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
export const stage = z.strictObject(stageKeys);

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

/** How training may keep what its backward pass reads. */
export const ACTIVATION_STORAGES = ['f32', 'f16'] as const satisfies readonly ActivationStorage[];
/** `training`. */
export const training = z.strictObject({
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
