/** Opens a finished run wherever its files are, with the GPU of whoever asks: in a page, in a worker, in Node. */
import { InputError, type Log, type Progress, sha256, silentLog, silentProgress } from '@crossgate/core';
import { readDatasetFile } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { type LlamaModel, loadModel, type ModelFolder, modelFolderHash, openModelFolder } from '@crossgate/llm';
import { type ByteSource, readChunks } from '@crossgate/tensor';
import { parseRunConfig } from '../config/run-config';
import type { ExperimentConfig } from '../config/schema';
import { type LentModel, warningOnce } from '../lent-model';
import { finishedContexts } from '../runners/backends';
import { declaredMethod } from '../runners/declared-stages';
import { checkModel, type HybridParts, partsOf } from '../runners/hybrid-parts';
import { isHybrid } from '../runners/kinds';
import type { RunContext } from '../runners/run-context';
import { checkDataCopy, DATA_FILE, openRunFile, type RunSource, readRunText } from '../runs/run-source';
import { parseResult, type StoredResult } from '../runs/stored-result';
import { LiveData } from './live-data';
import { canBeLive, notLive, openModels } from './live-models';
import type { LiveRun } from './live-run';

/** What a run is opened with. */
export interface RunFolderOptions {
  /** Where it computes; it stays the caller's. */
  readonly device: Device;
  /** The language model that the run was trained on, for a run that has one. */
  readonly model?: ModelFolder | undefined;
  /** Gets warnings about files. Default: nobody does. */
  readonly log?: Log | undefined;
  /** Shows a task "loading weights", in bytes. Default: nothing is shown. */
  readonly progress?: Progress | undefined;
  /** Ends work between two batches. */
  readonly signal?: AbortSignal | undefined;
}

/** A finished run that answers, and what it is. */
export interface OpenedRun extends AsyncDisposable {
  /** Its checked config. */
  readonly config: ExperimentConfig;
  /** What its result.json says. */
  readonly result: StoredResult;
  /** Its answers. */
  readonly live: LiveRun;
  /** Frees what the run and its language model hold on the device. */
  close(): Promise<void>;
}

/** Whether a run needs its language model to be opened. */
export function needsModel(config: Pick<ExperimentConfig, 'method'>): boolean {
  return isHybrid(config);
}

/**
 * Reads what a finished run is, without a GPU and without its model.
 * @param run its folder, such as `httpFolder` or `blobFolder` of `@crossgate/llm` give
 * @throws InputError for a folder that is no complete run
 */
export async function readRunFolder(run: RunSource): Promise<Pick<OpenedRun, 'config' | 'result'>> {
  const { config, result } = await readRun(run);
  return { config, result };
}

async function readRun(run: RunSource) {
  const names = await run.list();
  if (!names.includes('config.yaml'))
    throw new InputError('is not a run (it has no config.yaml)', { code: 'run.not-found', place: run.name });
  if (!names.includes('result.json'))
    throw new InputError('the run is not complete', { code: 'run.incomplete', place: run.name });
  const { config, provenance } = parseRunConfig(await readRunText(run, 'config.yaml'), `${run.name}/config.yaml`);
  const result = parseResult(await readRunText(run, 'result.json'), `${run.name}/result.json`);
  return { config, provenance, result };
}

/**
 * Opens a finished run from any folder: the copy of its data that it keeps, its models and what was learned.
 * @param run its folder, such as `httpFolder` or `blobFolder` of `@crossgate/llm` give
 * @throws InputError for a folder that is no complete run, or one whose files are damaged or keep no data; for a method
 *   that cannot answer for people; for a language model that is missing or another than the run was trained on
 */
export async function openRunFolder(run: RunSource, options: RunFolderOptions): Promise<OpenedRun> {
  const { config, provenance, result } = await readRun(run);
  if (!canBeLive(config.method)) throw notLive(config.method, run.name);
  const { device, log = silentLog, progress = silentProgress, signal = new AbortController().signal } = options;
  const dataset = await readDataCopy(run, result.dataset.hash);
  // Whatever the run was trained on: few browsers show matrix units.
  const inF32 = { ...config, llm: { ...config.llm, precision: 'f32' as const } };
  const context: RunContext = { config: inF32, dataset, session: { log, signal } };
  let lent: (LentModel & { close(): Promise<void> }) | undefined;
  const borrow = async (): Promise<HybridParts> => {
    if (!options.model) {
      throw new InputError(`the run is of ${config.method}, on the language model ${config.llm.path}`, {
        code: 'model.not-found',
        place: run.name,
        fix: 'give the folder of that model too',
      });
    }
    lent = await lend(options.model, device, { log, progress, signal });
    checkModel(provenance.modelHash, lent.hash, options.model.name);
    const method = declaredMethod(config);
    return partsOf(context, method, await finishedContexts(context, method, run), lent, async () => device);
  };
  try {
    const data = new LiveData(dataset);
    const live = await openModels(context, run, data, { device: async () => device, borrow, digest: sha256 });
    const close = async () => {
      await live.close();
      await lent?.close();
    };
    return { config, result, live, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await lent?.close();
    throw error;
  }
}

/** The data set that the run keeps. @throws InputError where it keeps none, or other data */
async function readDataCopy(run: RunSource, hash: string) {
  if (!(await run.list()).includes(DATA_FILE)) {
    throw new InputError(`keeps no copy of its data (${DATA_FILE})`, {
      code: 'run.damaged',
      place: run.name,
      fix: 'train it again with a current version',
    });
  }
  const file = await openRunFile(run, DATA_FILE);
  try {
    return checkDataCopy(await readDatasetFile(unpacked(file), file.name), hash, file.name);
  } finally {
    await file.close();
  }
}

/** What a gzip file holds, piece by piece. @throws InputError for a damaged one */
async function* unpacked(file: ByteSource): AsyncGenerator<Uint8Array> {
  const chunks = readChunks(file, 0, file.size);
  let failure: unknown;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await chunks.next().catch((error: unknown) => {
        failure = error;
        throw error;
      });
      if (done) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
  });
  const reader = packed.pipeThrough(new DecompressionStream('gzip')).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    // Which error a platform throws for damaged gzip differs; what the file itself threw stays what it is.
    if (failure !== undefined) throw failure;
    const { message } = error as Error;
    throw new InputError(`damaged or cut short gzip (${message})`, { code: 'data.damaged', place: file.name });
  }
}

/** Opens a model and lends it; the weights are loaded when they are wanted. */
async function lend(
  folder: ModelFolder,
  device: Device,
  { log, progress, signal }: { readonly log: Log; readonly progress: Progress; readonly signal: AbortSignal },
): Promise<LentModel & { close(): Promise<void> }> {
  const files = await openModelFolder(folder);
  for (const warning of files.source.warnings) log.warn(warning);
  let loaded: LlamaModel | undefined;
  return {
    hash: await modelFolderHash(folder),
    config: files.config,
    source: files.source,
    tokenizer: warningOnce(files, log),
    async load(weights) {
      loaded = await loadModel(device, files.source, { weights, setting: 'llm.weights:', progress, signal });
      return loaded;
    },
    async close() {
      loaded?.release();
      await files.close();
    },
  };
}
