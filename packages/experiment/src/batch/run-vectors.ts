/** The CF vectors of a finished run: of a CF run its own, of a run on a language model those that it tuned. */
import { join } from 'node:path';
import type { CfBackend, CfModel, VectorBatch } from '@crossgate/cf';
import { InputError, throwIfInterrupted } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { methods, usesCf } from '@crossgate/fusion/methods';
import { cfMethods } from '../config/schema';
import { openRunFiles, type RunFiles } from '../open-run';
import { isHybrid } from '../runners';
import type { RunnerContext } from '../runners/runner';
import { requireRunFile } from '../runs/cf-file';
import { runOnDisk } from '../runs/run-on-disk';
import type { Session } from '../session';

/** What vectors are of. */
export type VectorKind = 'item' | 'user';

/** A run with its CF vectors on the device. Close it. */
export interface RunVectors {
  /** The data set that the run was trained on. */
  readonly dataset: Dataset;
  /** The method of the run, such as `mf` or `ccf`. */
  readonly method: string;
  /** The CF model that made the vectors, such as `lightgcn`. */
  readonly model: string;
  /** How many CF models the run has: two, or one. */
  readonly backends: number;
  /** Width of the vectors. */
  readonly dim: number;
  /** Columns at the beginning of items' vectors that say how much an item is liked: left out where items are compared. */
  readonly levelColumns: number;
  /** Whether users' vectors are made of their histories, as they are at the end of the data, or are learned. */
  readonly usersFrom: 'history' | 'training';
  /**
   * Whether items rank by dot product and bias as `recommend` ranks them. False for a run on a language model, which
   * scores by more than the vectors.
   */
  readonly ranks: boolean;
  /** [items + 1] what an item's logit has beside the dot product, see `itemBiases`; null where there is none. */
  readonly bias: Float32Array | null;
  /** Dense ids that have a vector: of items with train rows, and of users of whom the model knows something. */
  ids(kind: VectorKind): Int32Array;
  /** Vectors by dense id, a batch at a time. @throws InterruptedError between two batches once the session is stopped */
  read(kind: VectorKind, ids: Int32Array): AsyncGenerator<VectorBatch, void, undefined>;
  /** Frees what was opened beyond what the session lends. */
  close(): void;
}

/** Settings of {@link openVectors}. */
export interface VectorOptions {
  /** `--set` arguments, such as `data.path=DIR`. Default: none. */
  readonly set?: readonly string[];
  /** Which CF model of a run that has two (`cf.run`), from 1. */
  readonly backend?: number;
  /** Called before the model is opened: what is wrong with the rest of the input is found at once. */
  readonly check?: (dataset: Dataset) => void | Promise<void>;
}

/** What one backend of a run is made of. */
interface Opened {
  /** The trained model. */
  readonly model: CfModel;
  /** What gives vectors: the model, or a control in its place. */
  readonly backend: CfBackend;
  readonly knows: (user: number) => boolean;
  readonly bias: Float32Array | null;
  /** How many CF models the run has. */
  readonly count: number;
  close(): void;
}

/**
 * Opens the CF vectors of a finished run. The language model of a run is not needed and not loaded.
 *
 * @param run path of the run folder, as the user gave it
 * @throws InputError `run.not-held` for a run without CF vectors, and for one with two CF models where none is chosen;
 *   and as `openRun`
 */
export async function openVectors(session: Session, run: string, options: VectorOptions = {}): Promise<RunVectors> {
  const files = await openRunFiles(session, run, options.set ?? []);
  const { config, dataset } = files;
  const isCf = cfMethods().includes(config.method);
  if (!isCf && !isHybrid(config)) throw withoutVectors(run, config.method);
  const index = (options.backend ?? 1) - 1;
  if (isCf && index > 0) throw noBackend(run, index, [config.method]);
  await options.check?.(dataset);
  const context = { config, dataset, session };
  const opened = isCf ? await openCf(context, files) : await openTuned(context, files, run, options.backend);
  const { findCfDefinition, readVectors } = await import('@crossgate/cf');
  const { model, backend, knows, bias, count: backends } = opened;
  const { latest } = model.histories(dataset);
  return {
    dataset,
    method: config.method,
    model: model.name,
    backends,
    dim: backend.cfDim,
    levelColumns: findCfDefinition(model.name).levelColumns ?? 0,
    usersFrom: backend.historyLength > 0 ? 'history' : 'training',
    ranks: isCf,
    bias,
    ids(kind) {
      const count = kind === 'item' ? dataset.itemCount : dataset.userCount;
      const has = kind === 'item' ? (item: number) => backend.itemSeen[item] === 1 : knows;
      return Int32Array.from({ length: count }, (_, i) => i + 1).filter(has);
    },
    async *read(kind, ids) {
      for await (const batch of readVectors(backend, kind, ids, latest)) {
        throwIfInterrupted(session.signal);
        yield batch;
      }
    },
    close: opened.close,
  };
}

/** The model of a CF run. */
async function openCf(context: RunnerContext, { path }: RunFiles): Promise<Opened> {
  // Loaded here, so that reading runs loads no package that uses a GPU.
  const [{ itemBiases }, { loadCf }, { knownUsers }] = await Promise.all([
    import('@crossgate/cf'),
    import('../runners/cf-model'),
    import('../runners/known-users'),
  ]);
  const { dataset, config, session } = context;
  const { model, details } = await loadCf(context, await session.device(), runOnDisk(path));
  try {
    const knows = knownUsers(model, dataset, details, config);
    const bias = await itemBiases(model);
    return { model, backend: model, knows, bias, count: 1, close: () => model.release() };
  } catch (error) {
    model.release();
    throw error;
  }
}

/** A model of a run on a language model, with the values that the run tuned. */
async function openTuned(
  context: RunnerContext,
  { path, config }: RunFiles,
  run: string,
  chosen: number | undefined,
): Promise<Opened> {
  const [{ finishedContexts, loadBackends, needsCf }, { declaredMethod }, { knownUsers }] = await Promise.all([
    import('../runners/backends'),
    import('../runners/declared-stages'),
    import('../runners/known-users'),
  ]);
  const method = declaredMethod(config);
  if (!needsCf(method)) throw withoutVectors(run, config.method);
  const contexts = await finishedContexts(context, method, runOnDisk(path));
  const names = contexts.map((own) => own.config.cf.model);
  if (chosen === undefined && names.length > 1) {
    throw new InputError(`has vectors of ${names.length} CF models: ${names.join(' and ')}`, {
      code: 'run.not-held',
      place: run,
      fix: 'choose one with --backend 1 or 2',
    });
  }
  const index = (chosen ?? 1) - 1;
  if (names[index] === undefined) throw noBackend(run, index, names);
  // A control at the evaluation leaves the run's vectors as they are.
  const backends = await loadBackends(contexts, runOnDisk(path), await context.session.device(), 'training');
  try {
    const [model, backend] = [backends.models[index]!, backends.backends[index]!];
    // Where CF is only named in words, it is not tuned.
    if (usesCf(method)) await restore(backend, join(path, 'fusion.safetensors'), index);
    const knows = knownUsers(model, context.dataset, backends.details[index]!, contexts[index]!.config);
    return { model, backend, knows, bias: null, count: names.length, close: () => backends.release() };
  } catch (error) {
    backends.release();
    throw error;
  }
}

/** Sets the values of a backend to those that a run on a language model tuned. */
async function restore({ group }: CfBackend, file: string, index: number): Promise<void> {
  const [{ backendPrefix }, { parseState, writeGroup }, { openFile }] = await Promise.all([
    import('@crossgate/fusion'),
    import('@crossgate/tensor'),
    import('@crossgate/tensor/node'),
  ]);
  await requireRunFile(file);
  const source = await openFile(file);
  const { state } = await parseState(source).finally(() => source.close());
  group.statePrefix = backendPrefix(index);
  writeGroup(group, state, file);
}

function withoutVectors(run: string, method: string): InputError {
  const have = [...cfMethods(), ...methods.filter(usesCf).map(({ name }) => name)];
  return new InputError(`is a run of ${method}, which has no CF vectors`, {
    code: 'run.not-held',
    place: run,
    fix: `runs of these have them: ${have.join(', ')}`,
  });
}

function noBackend(run: string, index: number, names: readonly string[]): InputError {
  return new InputError(
    `has no CF model ${index + 1}, only ${names.map((name, at) => `${at + 1} (${name})`).join(' and ')}`,
    {
      code: 'run.not-held',
      place: run,
      fix: 'name another with --backend, or leave it out',
    },
  );
}
