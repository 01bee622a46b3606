/** A session: what is dear is opened once and lent to every run in it. */
import { alone, type Collective } from '@crossgate/collective';
import { InputError, type Log, type Progress, silentLog, silentProgress } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import type { Device, Profiler } from '@crossgate/gpu';
import type { ExperimentConfig } from './config/schema';
import type { LentModel } from './lent-model';
import { locateDataset, type Surroundings } from './locate';
import { ModelShelf } from './model-shelf';

/** What a session works with; everything has a default. */
export interface SessionOptions extends Partial<Surroundings> {
  /** GPU to use: `software`, `hardware`, a part of its name, or its number. Default: as `openDevice` chooses. */
  readonly adapter?: string | undefined;
  /** Where the adapter in use, warnings about data, and validation metrics are reported. Default: nowhere. */
  readonly log?: Log;
  /** Where the progress of loading, training and scoring is shown. Default: nowhere. */
  readonly progress?: Progress;
  /** Aborted when the user interrupts: work stops between two steps. */
  readonly signal?: AbortSignal;
  /** Measures the device of the session, and its own work, until the session is closed. Default: nothing is measured. */
  readonly profiler?: Profiler | undefined;
  /** See {@link Session.collective}. Default: this process alone. */
  readonly collective?: Collective | undefined;
  /** See {@link Session.confirm}. Default: refuses. */
  readonly confirm?: Session['confirm'];
}

/** Opened once, lent to the runs one after another, one at a time. Close it, or declare it with `await using`. */
export interface Session extends Surroundings, AsyncDisposable {
  /** As given; silent by default. */
  readonly log: Log;
  /** As given; silent by default. */
  readonly progress: Progress;
  /** Aborted when the user interrupts; runs then end with an `InterruptedError`. */
  readonly signal: AbortSignal;
  /** As given. */
  readonly profiler?: Profiler | undefined;
  /** The ranks of the job that runs are trained on together. All of them make the same calls. */
  readonly collective: Collective;
  /**
   * The GPU, opened by the first call.
   * @throws NoAdapterError when none fits
   */
  device(): Promise<Device>;
  /**
   * The data set of a config. The last one stays open for the next run on the same data.
   * @throws InputError naming what is missing or wrong
   */
  dataset(data: ExperimentConfig['data']): Promise<Dataset>;
  /**
   * A language model. The last one stays open, and its weights on the device, for the next run on the same model.
   * @param path absolute, as `locateModel` gives it
   * @throws InputError naming the file and what is wrong with it
   */
  model(path: string): Promise<LentModel>;
  /**
   * Asked before work that costs money, such as calls of a closed model.
   * @param estimate what would be done and what it costs, in one sentence without a period
   * @throws InputError where nobody has agreed; InterruptedError where the user says no
   */
  confirm(estimate: string): Promise<void>;
  /** Frees the model and destroys the device. Waits for a device that is being opened. */
  close(): Promise<void>;
}

/** Starts a session. Nothing is opened before it is needed. */
export function openSession(options: SessionOptions = {}): Session {
  const { cwd = process.cwd(), env = process.env, program, adapter } = options;
  const { log = silentLog, progress = silentProgress, signal = new AbortController().signal } = options;
  const { confirm = refuse, profiler, collective = alone } = options;
  const surroundings: Surroundings = { cwd, env, ...(program !== undefined && { program }) };
  let device: Promise<Device> | undefined;
  let dataset: { readonly key: string; readonly value: Promise<Dataset> } | undefined;
  const lendDevice = () => {
    if (device) return device;
    const opening = openGpu(adapter, log, profiler);
    device = opening;
    opening.then(
      (opened) =>
        opened.gpu.lost.then(() => {
          if (device !== opening) return;
          // What was on it is gone too; whoever asks again gets another.
          device = undefined;
          shelf.forget();
          return opened.destroy();
        }),
      () => {
        if (device === opening) device = undefined;
      },
    );
    return opening;
  };
  const shelf = new ModelShelf({ log, device: lendDevice, progress, signal, profiler });
  const close = async () => {
    // A device that could not be opened was an error of whoever asked for it.
    const opened = await device?.catch(() => undefined);
    if (profiler && opened) {
      // Times of kernels come when the device is idle; of one that is lost, none come.
      await opened.recorder.synchronize().catch(() => {});
      profiler.detach();
    }
    await shelf.close();
    device = dataset = undefined;
    await opened?.destroy();
  };
  return {
    ...surroundings,
    log,
    progress,
    signal,
    profiler,
    collective,
    confirm,
    device: lendDevice,
    dataset(data) {
      const key = JSON.stringify(data);
      if (dataset?.key !== key) {
        log.debug(`reading data set ${data.name}`);
        const reading = profiler?.span('read data');
        const located = locateDataset(data, surroundings).finally(() => reading?.[Symbol.dispose]());
        const value = located.then((found) => {
          for (const warning of found.warnings) log.warn(`${found.name}: ${warning}`);
          return found;
        });
        dataset = { key, value };
        value.catch(() => {
          dataset = undefined; // Asked again, it is looked for again.
        });
      }
      return dataset!.value;
    },
    model: (path) => shelf.open(path),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Spends nothing that nobody has agreed to. */
async function refuse(estimate: string): Promise<never> {
  throw new InputError(estimate, { code: 'api.unconfirmed', fix: 'give the session a `confirm` that agrees' });
}

/** Opens the GPU that was asked for, and says so when it is a slow one. @throws NoAdapterError when none fits */
async function openGpu(adapter: string | undefined, log: Log, profiler: Profiler | undefined): Promise<Device> {
  using _ = profiler?.span('open GPU');
  // Loaded here, so that work without a GPU starts without loading Dawn.
  const { deviceRemarks, openDevice } = await import('@crossgate/gpu/node');
  const device = await openDevice(adapter === undefined ? {} : { adapter });
  const { name, software, timestamps } = device.capabilities;
  if (!software) log.info(`using ${name}`);
  for (const remark of deviceRemarks(device)) log.warn(remark);
  if (profiler && !timestamps) log.warn(`${name} has no timestamp queries: the profile has host times only`);
  profiler?.attach(device);
  return device;
}
