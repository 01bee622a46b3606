/** `result.json`: what a complete run found. */

import { basename, join } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf, pathAdvice, readText } from '@crossgate/files';
import { z } from 'zod';
import { SPLIT_NAMES } from '../config/schema';
import { peakMemory } from './peak-memory';

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

/**
 * Reads the result of a run folder.
 * @throws InputError when the path is not a run, the run is not complete, or its result is damaged
 */
export async function readResult(path: string): Promise<StoredResult> {
  const kind = await kindOf(path);
  if (kind === 'absent')
    throw new InputError('run not found', {
      code: 'run.not-found',
      place: path,
      fix: pathAdvice(path, 'check the path'),
    });
  if (kind !== 'folder')
    throw new InputError('is a file, but a run is a folder', { code: 'run.not-found', place: path });
  if ((await kindOf(join(path, 'config.yaml'))) === 'absent') {
    throw new InputError('is not a run (it has no config.yaml)', { code: 'run.not-found', place: path });
  }
  const file = join(path, 'result.json');
  if ((await kindOf(file)) === 'absent') {
    throw new InputError('the run is not complete', {
      code: 'run.incomplete',
      place: path,
      fix: `finish it with train ${basename(path)}/config.yaml --resume --run ${path}`,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(await readText(file, 'result'));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError('is not valid JSON; the file was changed or damaged', { code: 'run.damaged', place: file });
  }
  const result = storedResult.safeParse(value);
  // As it was written, with its own order of keys.
  if (result.success) return value as StoredResult;
  const key = result.error.issues[0]?.path.join('.') ?? '';
  const detail = key === '' ? '' : ` (${key} is wrong)`;
  throw new InputError(`is not the result of a run${detail}; the file was changed or damaged`, {
    code: 'run.damaged',
    place: file,
  });
}
