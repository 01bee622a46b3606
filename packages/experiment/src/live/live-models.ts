/** Opens the models of a finished run, wherever its files are, to answer from its data and what came since. */
import type { CfModel } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { Device } from '@crossgate/gpu';
import { cfMethods } from '../config/schema';
import { loadCf } from '../runners/cf-model';
import type { HybridParts } from '../runners/hybrid-parts';
import { isHybrid } from '../runners/kinds';
import type { RunContext } from '../runners/run-context';
import { cfFile, hasRunFile, type RunSource } from '../runs/run-source';
import { LiveCf } from './live-cf';
import type { LiveData } from './live-data';
import type { LiveLlm } from './live-llm';
import type { LiveRun } from './live-run';
import { OpenLiveRun } from './live-scores';

/** What models are opened with. */
export interface Opening {
  /** Opens the GPU, or gives the one that is open. */
  device(): Promise<Device>;
  /** Gives the language model of a run that has one, checked. */
  borrow(): Promise<HybridParts>;
  /** SHA-256 of pieces, one after another, in hexadecimal digits. */
  digest(pieces: AsyncIterable<Uint8Array>): Promise<string>;
}

/** @throws InputError naming a file of the run that is missing or does not fit */
export async function openModels(
  context: RunContext,
  source: RunSource,
  data: LiveData,
  { device: openDevice, borrow, digest }: Opening,
): Promise<LiveRun> {
  const { dataset, session } = context;
  const { method } = context.config;
  const gpu = oneAtATime();
  const device = await openDevice();
  const cfModels: CfModel[] = [];
  let llm: LiveLlm | null = null;
  const release = () => {
    for (const each of cfModels) each.release();
    llm?.release();
  };
  try {
    let contexts: readonly RunContext[] = [context];
    if (!cfMethods().includes(method)) {
      const [parts, live] = await Promise.all([borrow(), import('./live-llm')]);
      llm = await live.LiveLlm.open(context, source, parts);
      for (const item of data.items({}).slice(dataset.itemCount)) llm.addItem(item.title);
      contexts = parts.contexts;
    }
    const cfs: LiveCf[] = [];
    for (const [index, each] of contexts.entries()) {
      // CF alone: beside the language model, its vectors were trained further, for other ends than to rank by themselves.
      const { model, details } = await loadCf(each, device, source, index);
      cfModels.push(model);
      cfs.push(await LiveCf.open(model, details, each.config, data, gpu));
    }
    // What was learned and the config, which names the language model by its hash: the first 12 digits.
    const model = (await digest(learnedBytes(source, cfs.length))).slice(0, 12);
    const { name: adapter } = device.capabilities;
    const { signal } = session;
    return new OpenLiveRun({ path: source.name, method, model, adapter, data, cfs, llm, gpu, release, signal });
  } catch (error) {
    release();
    throw error;
  }
}

/** Whether runs of a method can be opened: those of CF models and of methods on a language model of this machine. */
export function canBeLive(method: string): boolean {
  return cfMethods().includes(method) || isHybrid({ method });
}

/** What cannot be done with a run of a method that is not live. @param place what asked for it */
export function notLive(method: string, place: string): InputError {
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

/** Bytes of a file that are read at once. */
const PIECE = 2 ** 22;

/** The files of a run that hold what was learned, each after its name and size. */
async function* learnedBytes(run: RunSource, backends: number): AsyncGenerator<Uint8Array> {
  const learned = ['adapter/adapter_config.json', 'adapter/adapter_model.safetensors', 'fusion.safetensors'];
  const own = Array.from({ length: backends }, (_, index) => cfFile(index));
  for (const name of ['config.yaml', ...own, ...learned]) {
    if (!(await hasRunFile(run, name))) continue;
    const file = await run.open(name);
    try {
      yield new TextEncoder().encode(`${name} ${file.size}\n`);
      for (let at = 0; at < file.size; at += PIECE) yield await file.read(at, Math.min(PIECE, file.size - at));
    } finally {
      await file.close();
    }
  }
}
