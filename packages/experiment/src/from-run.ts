/** What a training continues: a finished run whose users and items keep their ids, on data that have grown. */
import { resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { continueDataset, type Dataset } from '@crossgate/data';
import { cfMethods, type ExperimentConfig } from './config/schema';
import { openRunFiles } from './open-run';
import { isHybrid } from './runners';
import type { FromRun } from './runners/continued-run';
import { storedProvenance } from './runs/run-folder';
import type { Session } from './session';

/**
 * Opens what a training continues.
 * @param run path of the run folder, as the user gave it
 * @param grown the data set of the config
 * @returns the run, and the data set under its dense ids
 * @throws InputError for a run that is not complete, of another method or CF model, and where ids contradict
 */
export async function openFrom(
  session: Session,
  run: string,
  config: ExperimentConfig,
  grown: Dataset,
): Promise<{ from: FromRun; dataset: Dataset }> {
  const { path, config: then, dataset: earlier } = await openRunFiles(session, run, []);
  const { method } = config;
  if (!cfMethods().includes(method) && !isHybrid(config)) {
    throw new InputError(`${method} has nothing that a training could start from`, {
      code: 'usage',
      place: '--from',
      fix: 'leave it out',
    });
  }
  for (const [key, was, is] of [
    ['method', then.method, method],
    ['cf.model', then.cf.model, config.cf.model],
    ['cf.cfDim', then.cf.cfDim, config.cf.cfDim],
  ] as const) {
    if (was === is) continue;
    throw new InputError(`${key} was ${was} in ${run}, and is ${is}`, {
      code: 'run.other-config',
      place: '--from',
      fix: 'continue with the same',
    });
  }
  const { dataset, added, gone } = await continueDataset(earlier, grown);
  const { modelHash } = await storedProvenance(path);
  const numbers = `${added.users} users and ${added.items} items are new`;
  session.log.info(`continuing ${run}, whose users and items keep their ids: ${numbers}; the optimizer starts anew`);
  if (gone.users + gone.items > 0) {
    session.log.warn(`${gone.users} users and ${gone.items} items of ${run} have no rows in the data any more`);
  }
  return { from: { run, path: resolve(path), dataset: earlier, modelHash }, dataset };
}

/** What config.yaml and result.json say of it. */
export function provenanceOfFrom({ run, dataset, modelHash }: FromRun): Readonly<Record<string, string>> {
  return { run, dataHash: dataset.hash, ...(modelHash !== undefined && { modelHash }) };
}
