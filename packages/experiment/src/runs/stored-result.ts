/** What `result.json` of a complete run says, checked. */
import { InputError } from '@crossgate/core';
import { z } from 'zod';
import { SPLIT_NAMES } from '../config/schema';

/** The most memory that a run took, as checkpoints and results store it, in bytes. */
export const peakMemory = z.strictObject({
  device: z.int().nonnegative().nullable(),
  process: z.int().nonnegative(),
});

/** A metric is null where it is not defined, as is an AUC without positives. */
const metric = z.number().nullable();

const clickMetrics = z.looseObject({
  rows: z.int().nonnegative(),
  users: z.int().nonnegative(),
  auc: metric,
  auc95: z.tuple([z.number(), z.number()]).nullable(),
  uauc: metric,
  uaucUsers: z.int().nonnegative(),
  logLoss: metric,
});

const rankingMetrics = z.looseObject({
  k: z.int().positive(),
  negatives: z.int().positive().nullable(),
  users: z.int().nonnegative(),
  // Runs of earlier versions have none.
  usersLeftOut: z.int().nonnegative().optional(),
  targetsLeftOut: z.int().nonnegative().optional(),
  ...{ recall: metric, precision: metric, ndcg: metric, mrr: metric, map: metric, hit: metric, coverage: metric },
});

const storedResult = z.looseObject({
  run: z.string(),
  name: z.string(),
  method: z.string(),
  information: z.string(),
  seconds: z.number().nonnegative(),
  // Runs of earlier versions have none.
  peakMemory: peakMemory.optional(),
  dataset: z.looseObject({ hash: z.string() }),
  metrics: z
    .partialRecord(
      z.enum(SPLIT_NAMES),
      clickMetrics.extend({ warm: clickMetrics.optional(), cold: clickMetrics.optional() }),
    )
    .refine((metrics) => Object.keys(metrics).length > 0, 'no split'),
  ranking: z.partialRecord(z.enum(SPLIT_NAMES), rankingMetrics).optional(),
});

/** result.json of a complete run. */
export type StoredResult = Readonly<z.output<typeof storedResult>>;

/** @param place of the file, for messages @throws InputError when it is damaged */
export function parseResult(text: string, place: string): StoredResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError('is not valid JSON; the file was changed or damaged', { code: 'run.damaged', place });
  }
  const result = storedResult.safeParse(value);
  // As it was written, with its own order of keys.
  if (result.success) return value as StoredResult;
  const key = result.error.issues[0]?.path.join('.') ?? '';
  const detail = key === '' ? '' : ` (${key} is wrong)`;
  throw new InputError(`is not the result of a run${detail}; the file was changed or damaged`, {
    code: 'run.damaged',
    place,
  });
}
