/** Collaborative filtering inside a run: trained, resumed, or taken from a finished run. */
import { join, resolve } from 'node:path';
import {
  type CfModel,
  CfTrainer,
  encodeTrainingState,
  MatrixFactorization,
  parseTrainingState,
  seenInTrain,
} from '@crossgate/cf';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { encodeState, parseState } from '@crossgate/tensor';
import { openFile, writeFileAtomic } from '@crossgate/tensor/node';
import type { SplitName } from '../config/schema';
import { InputError } from '../errors';
import { kindOf } from '../files';
import type { Scores } from '../predictions';
import { type RunFolder, readResult } from '../runs/run-folder';
import type { MethodContext } from './method';

/** Where a run keeps its trained CF model. */
export const cfFile = 'cf.safetensors';

/** What the JSON of a checkpoint says while CF trains. */
export interface CfCheckpoint {
  readonly kind: 'cf';
}

/** A CF model and how it came to be, for result.json. */
export interface TrainedCf {
  readonly model: CfModel;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * The CF model of a run: from `cf.run` when the config names one, from the run folder when it is there already, else
 * trained now, from the last checkpoint on.
 */
export async function obtainCf(context: MethodContext, device: Device, run: RunFolder): Promise<TrainedCf> {
  const { config, dataset, surroundings } = context;
  const own = join(run.path, cfFile);
  if (config.cf.run !== null) {
    const folder = resolve(surroundings.cwd, config.cf.run);
    await checkCfRun(folder, dataset);
    return { model: await loadCf(device, join(folder, cfFile), dataset), details: { run: config.cf.run } };
  }
  if ((await kindOf(own)) === 'file') {
    const stored = await run.readCheckpoint<{ cf?: Record<string, unknown> }>('last');
    return { model: await loadCf(device, own, dataset), details: stored?.state.cf ?? {} };
  }
  return trainCf(context, device, run);
}

/** @throws InputError when the folder is no finished CF run on the same data. */
export async function checkCfRun(folder: string, dataset: Dataset): Promise<void> {
  const result = await readResult(folder);
  const { hash } = (result.dataset ?? {}) as { hash?: string };
  if (hash !== dataset.hash) throw new InputError(`cf.run: ${folder}: was trained on other data (hash ${hash})`);
  if ((await kindOf(join(folder, cfFile))) !== 'file') {
    throw new InputError(`cf.run: ${folder}: has no ${cfFile}; name a finished run of a CF method`);
  }
}

async function loadCf(device: Device, path: string, dataset: Dataset): Promise<CfModel> {
  const file = await openFile(path);
  try {
    const { state } = await parseState(file);
    const model = MatrixFactorization.fromState(device, state, path);
    if (model.userSeen.length !== dataset.userCount + 1 || model.itemSeen.length !== dataset.itemCount + 1) {
      throw new InputError(`${path}: it has other numbers of users and items than the data set`);
    }
    return model;
  } finally {
    await file.close();
  }
}

async function trainCf(context: MethodContext, device: Device, run: RunFolder): Promise<TrainedCf> {
  const { config, dataset, progress, signal, log } = context;
  const { cfDim, initStd, learningRate, weightDecay, batchSize, epochs, patience, warmupEpochs } = config.cf;
  const { seed } = config;
  const model = MatrixFactorization.create(device, { cfDim, initStd, seed, ...seenInTrain(dataset) });
  const options = { learningRate, weightDecay, batchSize, epochs, patience, warmupEpochs, seed };
  const trainer = new CfTrainer(model, dataset.splits, options);
  try {
    const stored = await run.readCheckpoint<CfCheckpoint>('last');
    if (stored?.state.kind === 'cf') {
      const file = await openFile(stored.weights);
      try {
        trainer.restore(await parseTrainingState(file), stored.weights);
      } finally {
        await file.close();
      }
      log.info(`resuming after epoch ${trainer.progress.epoch} of ${config.cf.model}`);
    }
    const task = progress.start(`train ${config.cf.model}`, epochs, 'epochs');
    try {
      let saved = performance.now();
      const { epoch, bestEpoch, bestAuc, stopped } = await trainer.run({
        signal,
        onEpoch: async (report) => {
          const { epoch, loss, validAuc, validUauc } = report;
          run.appendMetrics({ phase: 'cf', step: epoch, loss, validAuc, validUauc });
          task.update(
            epoch,
            `loss ${loss.toFixed(4)}, valid AUC ${validAuc?.toFixed(4)}, best ${report.bestAuc?.toFixed(4)}`,
          );
          // A checkpoint costs about an epoch; every ten seconds keeps that a small share.
          if (performance.now() - saved < 10_000) return;
          saved = performance.now();
          const state = await trainer.state();
          await run.saveCheckpoint('last', { kind: 'cf' } satisfies CfCheckpoint, (path) =>
            writeFileAtomic(path, encodeTrainingState(state)),
          );
        },
      });
      const details = { model: config.cf.model, epochs: epoch, bestEpoch, bestValidAuc: bestAuc, stopped };
      const state = await model.state();
      await run.writeWith(cfFile, (path) => writeFileAtomic(path, encodeState(state, { model: config.cf.model })));
      return { model, details };
    } finally {
      task.finish();
    }
  } finally {
    trainer.release();
  }
}

/** Scores of a whole split by a CF model alone. */
export async function scoreSplit(model: CfModel, dataset: Dataset, split: SplitName): Promise<Scores> {
  const { user, item } = dataset.splits[split];
  return logitScores(await model.scorePairs(user, item));
}

/** Logits as scores: in float64, since f32 probabilities saturate into ties. */
export function logitScores(values: Float32Array): Scores {
  const logit = Float64Array.from(values);
  return { logit, score: logit.map((value) => 1 / (1 + Math.exp(-value))) };
}
