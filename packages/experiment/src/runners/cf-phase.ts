/** The collaborative-filtering part of a run: trains the model, or takes the vectors of a finished run. Leaves `cf.safetensors`. */

import { join, resolve } from 'node:path';
import {
  type CfModel,
  CfTrainer,
  cfDefinitionOfState,
  encodeTrainingState,
  evaluateRanking,
  findCfDefinition,
  parseTrainingState,
} from '@crossgate/cf';
import { someRank } from '@crossgate/collective';
import { InputError, InterruptedError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';
import { methods, usesCf } from '@crossgate/fusion/methods';
import type { Device } from '@crossgate/gpu';
import { encodeState, readSafetensorsHeader } from '@crossgate/tensor';
import { openFile } from '@crossgate/tensor/node';
import { z } from 'zod';
import { loadConfig } from '../config/load';
import { readResult } from '../runs/result';
import type { RunFolder } from '../runs/run-folder';
import { CF_FILE, cfFile } from '../runs/run-source';
import { AGAIN, type CfDetails, type CfSection, loadCfFile, type Prepared, unfit, widthMismatch } from './cf-model';
import { cfOptions } from './parameter-sizes';
import type { RunnerContext } from './runner';
import { selectionOf } from './selection';
import { startCf } from './start-values';

/** What `checkpoints/last.json` holds during this part. */
export const cfCheckpoint = z.strictObject({ phase: z.literal('cf') });
type CfCheckpoint = z.output<typeof cfCheckpoint>;

/**
 * Gives a CF model of the run: from its own file, from the run `cf.run` names, or by training.
 * @param index of the backend, from 0
 * @throws InputError for a `cf.run` that cannot be used; InterruptedError after saving a checkpoint
 */
export async function prepareCf(context: RunnerContext, run: RunFolder, device: Device, index = 0): Promise<Prepared> {
  const own = join(run.path, cfFile(index));
  if ((await kindOf(own)) === 'file') return loadCfFile(context, device, await openFile(own));
  const { cf } = context.config;
  const named = singleRun(cf);
  if (named !== null) {
    const path = join(resolve(context.session.cwd, named), CF_FILE);
    const { model, details } = await loadCfFile(context, device, await openFile(path), named);
    return await stored(run, cf, index, { model, details: { ...details, run: named } });
  }
  const model = create(context, device);
  const trained = async () => {
    if (context.from) await startCf(model, context.from, cfFile(index));
    return train(context, run, model);
  };
  const details = await trained().catch((error: unknown) => {
    model.release();
    throw error;
  });
  return await stored(run, cf, index, { model, details });
}

/**
 * Checks `cf.run` before the run folder is made.
 * @throws InputError when it is no complete CF run on the same data with vectors of width `cf.cfDim`
 */
export async function checkCfRun({ config, dataset, session }: RunnerContext): Promise<void> {
  const named = singleRun(config.cf);
  if (named === null) return;
  const path = resolve(session.cwd, named);
  const result = await readResult(path);
  if (result.dataset.hash !== dataset.hash) {
    throw new InputError(`${named} was trained on other data than this run`, {
      code: 'data.other',
      place: 'cf.run',
      fix: AGAIN,
    });
  }
  if ((await kindOf(join(path, CF_FILE))) !== 'file') {
    throw new InputError(`${named} has no ${CF_FILE}`, {
      code: 'config.value',
      place: 'cf.run',
      fix: 'name a run of a CF method such as mf',
    });
  }
  const source = await openFile(join(path, CF_FILE));
  const { tensors } = await readSafetensorsHeader(source).finally(() => source.close());
  const vectors = tensors.get(cfDefinitionOfState(tensors).stateVectors);
  const width = vectors?.shape[1] ?? config.cf.cfDim;
  const problem = widthMismatch(width, config.cf.cfDim);
  if (problem !== null) throw unfit(problem, named);
}

/** The one run of `cf.run`, or null. @throws InputError where there are two, for what can use one alone */
function singleRun({ run }: CfSection): string | null {
  if (!Array.isArray(run)) return run;
  throw new InputError(`names ${run.length} runs, but this method uses one`, {
    code: 'config.value',
    place: 'cf.run',
    fix: `name one run; ${methods
      .filter(usesCf)
      .map(({ name }) => name)
      .join(' and ')} can use two`,
  });
}

/**
 * The keys of `cf` that a CF run was trained with; `run` names it.
 * @throws InputError when it is no complete run
 */
export async function sectionOfRun(session: RunnerContext['session'], run: string, own: CfSection): Promise<CfSection> {
  const path = resolve(session.cwd, run);
  await readResult(path);
  const { cf } = await loadConfig(join(path, 'config.yaml'), { cwd: session.cwd });
  return { ...own, ...cf, run };
}

/** The untrained model that the config asks for. */
function create({ config, dataset }: RunnerContext, device: Device): CfModel {
  const { cf, seed } = config;
  const { cfDim, initStd } = cf;
  return findCfDefinition(cf.model).create(device, dataset, { cfDim, initStd, seed }, cfOptions(cf));
}

/** Trains a model to the end. @returns facts for result.json */
async function train(context: RunnerContext, run: RunFolder, model: CfModel): Promise<CfDetails> {
  const { config, dataset, session } = context;
  const { log, progress, signal, collective } = session;
  const { cf, seed } = config;
  const { train: trainRows, valid } = dataset.splits;
  const data = { train: trainRows, valid, history: model.histories(dataset).before };
  const selection = selectionOf(context);
  const { k, ...protocol } = config.evaluation.ranking;
  const metric = selection === 'auc' || selection === 'last' ? null : selection;
  const rank = async (by: NonNullable<typeof metric>) =>
    (await evaluateRanking(model, dataset, 'valid', { k: k!, ...protocol }))[by];
  const trainer = new CfTrainer(model, data, {
    ...cf,
    seed,
    collective,
    ...(selection === 'last' && { criterion: 'last' }),
    ...(metric && { criterion: () => rank(metric) }),
  });
  const chosenBy = selection === 'auc' ? 'AUC' : selection === 'last' ? 'last' : `${selection}@${k}`;
  const { usersLeftOut } = trainer;
  if (usersLeftOut > 0) {
    const who = usersLeftOut === 1 ? '1 user likes' : `${usersLeftOut} users like`;
    log.warn(`${who} every item of train, which leaves ${cf.loss} no negatives: nothing is learned of them`);
  }
  if (selection === 'last') {
    const why = valid.rows === 0 ? 'valid has no rows to choose an epoch by' : 'cf.selectBy is last';
    log.info(`${why}: the last epoch stands`);
  }
  try {
    const checkpoint = await run.readCheckpoint('last', cfCheckpoint);
    if (checkpoint !== undefined) {
      const source = await openFile(checkpoint.weights);
      const state = await parseTrainingState(source).finally(() => source.close());
      trainer.restore(state, checkpoint.weights);
      log.info(`continuing ${cf.model} after epoch ${trainer.progress.epoch}`);
    }
    const save = async () => {
      using _ = session.profiler?.span('checkpoint');
      const state = await trainer.state();
      const last: CfCheckpoint = { phase: 'cf' };
      await run.saveCheckpoint('last', last, encodeTrainingState(state));
    };
    const task = progress.start(`training ${cf.model}`, cf.epochs, 'epochs');
    let saved = trainer.progress.steps;
    let isConstant = true;
    while (trainer.stopped === null) {
      const { epoch, loss, validAuc, validUauc, criterion, bestAuc, seconds } = await trainer.runEpoch();
      const chosen = metric === null ? {} : { [chosenBy]: criterion };
      run.appendMetrics({ phase: 'cf', step: epoch, loss, validAuc, validUauc, ...chosen, seconds });
      const latest = criterion ?? validAuc;
      isConstant &&= latest === bestAuc;
      const best = selection === 'last' ? '' : `, best ${bestAuc?.toFixed(4) ?? '-'}`;
      task.update(epoch, `valid ${metric === null ? 'AUC' : chosenBy} ${latest?.toFixed(4) ?? '-'}${best}`);
      // A rank that dies takes all with it, so several ranks have something to resume from after their first epoch.
      const isFirst = collective.size > 1 && saved === 0;
      const due = isFirst || trainer.progress.steps - saved >= config.training.checkpointEvery;
      // All ranks stop when one is told to.
      const isStopped = await someRank(collective, signal.aborted);
      if (due || isStopped || trainer.stopped !== null) {
        await save();
        saved = trainer.progress.steps;
      }
      if (isStopped) throw new InterruptedError('interrupted');
    }
    task.finish();
    const { epoch, steps, bestEpoch, bestAuc } = trainer.progress;
    const stopped = trainer.stopped;
    trainer.useBest();
    const details: CfDetails = {
      model: cf.model,
      cfDim: cf.cfDim,
      loss: cf.loss,
      epochs: epoch,
      steps,
      bestEpoch,
      ...(selection === 'auc' ? { validAuc: bestAuc } : { selectBy: chosenBy }),
      ...(metric && { validBest: bestAuc }),
      ...(usersLeftOut > 0 && { usersLeftOut }),
      ...(collective.size > 1 && {
        ranks: collective.size,
        communicationSeconds: rounded(trainer.communicationSeconds),
      }),
      stopped,
    };
    if (selection !== 'last' && isConstant && bestEpoch === 1 && epoch > 1) {
      log.warn(
        `validation ${chosenBy} was ${bestAuc?.toFixed(4)} after every epoch, so it chose none, and epoch 1 stands; ` +
          'set cf.selectBy to last to keep the last one',
      );
    }
    log.info(
      selection === 'last'
        ? `${cf.model}: the values of epoch ${epoch}, the last`
        : `${cf.model}: best validation ${chosenBy} ${bestAuc?.toFixed(4) ?? '-'} after epoch ${bestEpoch} of ${epoch}`,
    );
    return details;
  } finally {
    trainer.release();
  }
}

const rounded = (seconds: number) => Math.round(seconds * 1000) / 1000;

/** Writes the file of a backend. @returns what it was given; released where writing fails */
async function stored(run: RunFolder, cf: CfSection, index: number, prepared: Prepared): Promise<Prepared> {
  const { model, details } = prepared;
  try {
    const { run: named, ...section } = cf;
    // Of vectors that come from elsewhere, the config of this run need not say what they are.
    const metadata = {
      details: JSON.stringify(details),
      ...(named !== null && { section: JSON.stringify(section) }),
    };
    await run.write(cfFile(index), encodeState(await model.state(), metadata));
    return prepared;
  } catch (error) {
    model.release();
    throw error;
  }
}
