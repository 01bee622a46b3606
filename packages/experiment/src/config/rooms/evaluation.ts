/** The room `evaluation`: what is scored, and how. */
import { repeatRules } from '@crossgate/eval';
import { z } from 'zod';
import { count, distinct, LONGEST, optional } from './values';

/** Splits of every data set. */
export const SPLIT_NAMES = ['train', 'valid', 'test'] as const;
/** A split: `train`, `valid` or `test`. */
export type SplitName = (typeof SPLIT_NAMES)[number];

/** Metrics of lists that an epoch can be chosen by. */
export const RANKING_METRICS = ['recall', 'precision', 'ndcg', 'mrr', 'map', 'hit'] as const;

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

/** `evaluation`. */
export const evaluation = z.strictObject({
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
