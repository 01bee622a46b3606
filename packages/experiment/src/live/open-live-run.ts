/** Opens a finished run to answer for what came after it. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { AttributeType } from '@crossgate/data';
import { openRunFiles, type RunFiles } from '../open-run';
import type { RunnerContext } from '../runners/runner';
import { runOnDisk } from '../runs/run-on-disk';
import type { Session } from '../session';
import { LiveData } from './live-data';
import { canBeLive, notLive, openModels } from './live-models';
import type { LiveEvent, LiveRun, NewItem } from './live-run';
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
  const context: RunnerContext = { config, dataset, session };
  const borrow = async () => (await import('../runners/hybrid')).borrowFinished(context, path);
  return openModels(context, runOnDisk(path), data, { device: session.device, borrow, digest });
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

/** SHA-256 of pieces, one after another. */
async function digest(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
