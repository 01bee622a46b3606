/** The rooms of methods with a language model: `llm`, `lora`, `prompt`, `alg`, `gate` and `loss`. */
import { methodsWithNeighbors } from '@crossgate/fusion/methods';
import type { WeightStorage } from '@crossgate/llm';
import type { Precision } from '@crossgate/tensor';
import { z } from 'zod';
import { count, distinct, nonNegative, optional, word } from './values';

/** How the matrices of a language model may be kept on the device. */
export const WEIGHT_STORAGES = ['stored', 'f32', 'f16', 'int8', 'int4'] as const satisfies readonly WeightStorage[];

/** In which type the linear layers of a language model may multiply. */
export const PRECISIONS = ['f32', 'f16'] as const satisfies readonly Precision[];

/** `llm`. */
export const llm = z.strictObject({
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
  precision: z
    .enum(PRECISIONS)
    .default('f32')
    .describe(
      'What linear layers multiply in; f16: on matrix units, which the GPU must have, under a dynamic loss scale; sums stay f32',
    ),
});

/** `lora`. */
export const lora = z.strictObject({
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

/** `prompt`. */
export const prompt = z.strictObject({
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
    .describe(
      `${methodsWithNeighbors.map(({ name }) => name).join(', ')}: also name the items that the CF model recommends to the user (Table 2)`,
    ),
  neighborCount: count(1000).default(10).describe('Items that are named as neighbors'),
  excludeTarget: z.boolean().default(false).describe('Leave the candidate out of the neighbors'),
});

/** `alg`. */
export const alg = z.strictObject({
  hiddenFactor: count(1024).default(10).describe('Hidden width as a multiple of cfDim (CoLLM: 10)'),
  init: z
    .enum(['torch', 'matchTokenNorm'])
    .default('torch')
    .describe("torch: as in the paper; matchTokenNorm: scaled to the LLM's mean token norm (ours)"),
});

/** `gate`. */
export const gate = z.strictObject({
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

/** `loss`. */
export const loss = z.strictObject({
  name: z
    .enum(['eq5', 'yes-logit-bce', 'answer-ce'])
    .default('eq5')
    .describe(
      "eq5: paper; yes-logit-bce: CoLLM; answer-ce: cross entropy of the answer token; default: the method's own",
    ),
  k: nonNegative.default(2).describe('eq5: weight of the ranking term'),
  bprOn: z.enum(['probability', 'logit']).default('probability').describe('eq5: what the ranking term compares'),
});
