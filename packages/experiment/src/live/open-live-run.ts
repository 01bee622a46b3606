/** Opens a finished run to answer for what came after it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { CfModel } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { AttributeType } from '@crossgate/data';
import { cfMethods } from '../config/schema';
import { openRunFiles, type RunFiles } from '../open-run';
import { isHybrid } from '../runners';
import { loadCf } from '../runners/cf-phase';
import type { RunnerContext } from '../runners/runner';
import { cfFile } from '../runs/cf-file';
import type { Session } from '../session';
import { LiveCf } from './live-cf';
import { LiveData } from './live-data';
import type { LiveLlm } from './live-llm';
import type { LiveEvent, LiveRun, NewItem } from './live-run';
import { OpenLiveRun } from './live-scores';
import { type NewerFiles, readNewer } from './newer-files';

/** What a run is opened with. */
export interface LiveRunOptions {
  /** `--set` arguments, as for `openRun`. */
  readonly set?: readonly string[];
  /** Items that came after the training. */
  readonly items?: readonly NewItem[];
  /** What users did since. */
  readonly events?: readonly LiveEvent[];
  /** The same from files, relative to the session's folder; they come first. See `readNewer`. */
  readonly files?: NewerFiles;
  /** Called before the models are opened: what is wrong with the rest of the input is found at once. */
  readonly check?: (ids: LiveIds) => void | Promise<void>;
}

/** Finds users and items by the ids of the source, those of files and options among them. */
export interface LiveIds {
  /** The dense id of a user. @param place where the id comes from @throws InputError naming the most similar one */
  requireUser(id: string, place?: string): number;
  /** The dense id of an item. @param place where the id comes from @throws InputError naming the most similar one */
  requireItem(id: string, place?: string): number;
  /** Attributes of the items, by which they can be filtered; null: the run was kept by a version that knew none. */
  readonly attributes: readonly AttributeType[] | null;
}

/**
 * Opens the run's own copy of the data, its models and what was learned. The run of a baseline or of a language model
 * behind an endpoint has nothing that newer data could be told, and is refused.
 * @param run path of the run folder, as the user gave it
 * @throws InputError as `openRun` does; for a method that cannot; as `observe` and `addItems` do
 */
export async function openLiveRun(session: Session, run: string, options: LiveRunOptions = {}): Promise<LiveRun> {
  const files = await openRunFiles(session, run, options.set ?? []);
  const { method } = files.config;
  if (!canBeLive(method)) throw notLive(method, run);
  const { data } = await gatherData(session, files, options);
  await options.check?.(data);
  return openLiveModels(session, files, data);
}

/** What a run knows, and what of it came from files: all that the answers depend on besides the run. */
export interface GatheredData {
  readonly data: LiveData;
  readonly newer: { readonly items: readonly NewItem[]; readonly events: readonly LiveEvent[] };
}

/** The run's data with what came since. @throws InputError as `observe` and `addItems` do, and as `readNewer` */
export async function gatherData(
  { cwd, log }: Session,
  { config, dataset }: RunFiles,
  { files = {}, items = [], events = [] }: Pick<LiveRunOptions, 'files' | 'items' | 'events'>,
): Promise<GatheredData> {
  const data = new LiveData(dataset);
  const absolute = (file: string | undefined) => (file === undefined ? undefined : resolve(cwd, file));
  const paths = { events: absolute(files.events), items: absolute(files.items) };
  const newer = await readNewer(paths, config, dataset, log);
  data.addItems([...newer.items, ...items]);
  data.observe([...newer.events, ...events]);
  return { data, newer };
}

/** Opens what answers from data that were gathered. */
export async function openLiveModels(
  session: Session,
  { path, config, dataset }: RunFiles,
  data: LiveData,
): Promise<LiveRun> {
  const { method } = config;
  const context: RunnerContext = { config, dataset, session };
  const gpu = oneAtATime();
  const device = await session.device();
  const cfModels: CfModel[] = [];
  let llm: LiveLlm | null = null;
  const release = () => {
    for (const each of cfModels) each.release();
    llm?.release();
  };
  try {
    let contexts: readonly RunnerContext[] = [context];
    if (!cfMethods().includes(method)) {
      const [{ borrowFinished }, live] = await Promise.all([import('../runners/hybrid'), import('./live-llm')]);
      const parts = await borrowFinished(context, path);
      llm = await live.LiveLlm.open(context, path, parts);
      for (const item of data.items({}).slice(dataset.itemCount)) llm.addItem(item.title);
      contexts = parts.contexts;
    }
    const cfs: LiveCf[] = [];
    for (const [index, each] of contexts.entries()) {
      // CF alone: beside the language model, its vectors were trained further, for other ends than to rank by themselves.
      const { model, details } = await loadCf(each, device, path, index);
      cfModels.push(model);
      cfs.push(await LiveCf.open(model, details, each.config, data, gpu));
    }
    const model = await learnedHash(path, cfs.length);
    const adapter = device.capabilities.name;
    return new OpenLiveRun({ path, method, model, adapter, data, cfs, llm, gpu, release, signal: session.signal });
  } catch (error) {
    release();
    throw error;
  }
}

/** Whether runs of a method can be opened: those of CF models and of methods on a language model of this machine. */
export function canBeLive(method: string): boolean {
  return cfMethods().includes(method) || isHybrid({ method });
}

/**
 * Refuses options that ask for newer data or other people where a method cannot answer for them.
 * @param options by their names without dashes; undefined: not given
 * @throws InputError naming the first that is given
 */
export function refuseNewer(method: string, options: Readonly<Record<string, unknown>>): void {
  if (canBeLive(method)) return;
  const given = Object.keys(options).find((name) => options[name] !== undefined);
  if (given !== undefined) throw notLive(method, `--${given}`);
}

/** What cannot be done with a run of a method that is not live. @param place what asked for it */
function notLive(method: string, place: string): InputError {
  return new InputError(`a run of ${method} cannot answer for newer data or other people`, {
    code: 'run.not-held',
    place,
    fix: 'choose a run of a CF model or of a method on a language model',
  });
}

/** Runs work one after another, in the order in which it is given. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };
}

/** SHA-256 over what was learned and the config, which names the language model by its hash: the first 12 digits. */
async function learnedHash(run: string, backends: number): Promise<string> {
  const hash = createHash('sha256');
  const learned = ['adapter/adapter_config.json', 'adapter/adapter_model.safetensors', 'fusion.safetensors'];
  const own = Array.from({ length: backends }, (_, index) => cfFile(index));
  for (const name of ['config.yaml', ...own, ...learned]) {
    const bytes = await readFile(join(run, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (bytes !== null) hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex').slice(0, 12);
}
