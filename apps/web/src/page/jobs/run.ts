/** A finished run: opened from its files, asked for lists and reasons. */
import { InputError, type Progress as Reporter } from '@crossgate/core';
import { needsModel, type OpenedRun, openRunFolder, readRunFolder } from '@crossgate/experiment/live';
import { type Device, openDevice } from '@crossgate/gpu';
import { blobFolder, httpFolder, type ModelFolder } from '@crossgate/llm';
import type { Folder, List, Listing, Place, Progress, RunSummary } from '../protocol';

/** Name of the browser's cache of files; another version of the page may keep them otherwise. */
const CACHE = 'crossgate-files-1';

/** Items that CF hands to the language model: a program on the CPU reads fewer in the time that somebody waits. */
const HANDED_ON = { hardware: 200, software: 40 };
const TOP = 10;
/** Titles of a history that are shown. */
const SHOWN = 10;

interface Open {
  readonly device: Device;
  readonly run: OpenedRun;
}

let open: Open | undefined;

type Note = (progress: Progress) => void;

/** Opens a run in the place of the one before. */
export async function openRun(place: Place, note: Note, signal: AbortSignal): Promise<RunSummary> {
  const start = performance.now();
  await close();
  const run = folderOf(place.run, place.kind, note, signal);
  note({ label: 'reading the run', done: 0, total: 0 });
  const { config } = await readRunFolder(run);
  if (needsModel(config) && place.model === null) {
    throw new InputError(`the run is of ${config.method} on the language model ${config.llm.path}`, {
      code: 'model.not-found',
      fix: 'choose the folder of that model too',
    });
  }
  const model = place.model && needsModel(config) ? folderOf(place.model, place.kind, note, signal) : undefined;
  note({ label: 'opening the GPU', done: 0, total: 0 });
  const device = await openDevice();
  try {
    const opened = await openRunFolder(run, { device, model, progress: reporter(note), signal });
    open = { device, run: opened };
    const { live, result } = opened;
    const users = live.users();
    const test = result.metrics.test;
    return {
      ...{ name: run.name, method: live.method, model: live.model, seconds: (performance.now() - start) / 1000 },
      ...{ users: users.length, items: live.items().length },
      ...{ testAuc: test?.auc ?? null, testRows: test?.rows ?? 0 },
      firstUser: users.find((id) => live.user(id)?.known === 'trained') ?? users[0] ?? null,
    };
  } catch (error) {
    await device.destroy();
    throw error;
  }
}

function folderOf(place: Listing | Folder, kind: Place['kind'], note: Note, signal: AbortSignal): ModelFolder {
  if (kind === 'files') return blobFolder(place.name, (place as Folder).files);
  const { url, files, name } = place as Listing;
  const onProgress = (file: string, done: number, total: number) => note({ label: `loading ${file}`, done, total });
  const folder = httpFolder(url, { files, cache: CACHE, signal, onProgress });
  return { ...folder, name };
}

/** Progress of a package as notes. */
function reporter(note: Note): Reporter {
  return {
    start(label, total) {
      note({ label, done: 0, total });
      return { update: (done) => note({ label, done, total }), finish() {} };
    },
  };
}

async function close(): Promise<void> {
  const former = open;
  open = undefined;
  await former?.run.close();
  await former?.device.destroy();
}

function opened(): Open {
  if (open) return open;
  throw new InputError('no run is open', { code: 'run.not-found' });
}

/** Ids of users that hold a text. */
export async function findUsers(query: string): Promise<readonly string[]> {
  return opened().run.live.users({ query, limit: 12 });
}

/** The list of a user; with `explain` also what moved each score. */
export async function recommend(
  { user, explain }: { user: string; explain: boolean },
  note: Note,
  signal: AbortSignal,
): Promise<List> {
  const { device, run } = opened();
  const { live } = run;
  const start = performance.now();
  const known = live.user(user);
  if (!known) throw new InputError(`the run knows no user ${JSON.stringify(user)}`, { code: 'run.not-held' });
  const titleOf = (item: string) => live.item(item)?.title ?? item;
  const candidates = HANDED_ON[device.capabilities.software ? 'software' : 'hardware'];
  const onProgress = (done: number, total: number) => note({ label: 'scoring items', done, total });
  const { items, basis } = await live.recommend({ user }, { top: TOP, candidates, onProgress, signal });
  let reasons: Awaited<ReturnType<typeof live.explain>> | undefined;
  if (explain && basis !== 'popularity') {
    note({ label: 'explaining', done: 0, total: 0 });
    const ids = items.map(({ item }) => item);
    reasons = await live.explain({ user }, ids, { most: 3, signal });
  }
  const likes = known.events.filter(({ label }) => label === 1);
  return {
    basis,
    history: likes
      .slice(-SHOWN)
      .reverse()
      .map(({ item }) => titleOf(item)),
    seconds: (performance.now() - start) / 1000,
    items: items.map((scored, at) => ({
      ...scored,
      title: titleOf(scored.item),
      ...(reasons && { reasons: reasons[at]!.map(({ item, change }) => ({ title: titleOf(item), change })) }),
    })),
  };
}

/** Deletes the files that the browser keeps for this page. @returns whether there were any */
export async function forgetKept(): Promise<boolean> {
  return caches.delete(CACHE);
}
