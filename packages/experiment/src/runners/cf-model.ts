/** The CF model that a finished run left: its vectors, checked against the config and the data. */
import { type CfModel, cfModelFromState, findCfDefinition } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import type { Device } from '@crossgate/gpu';
import { type ByteSource, parseState, readSafetensorsHeader } from '@crossgate/tensor';
import { z } from 'zod';
import { cfFile, openRunFile, type RunSource } from '../runs/run-source';
import { cfOptions } from './parameter-sizes';
import type { RunContext } from './run-context';

/** Facts of the CF part for result.json. */
export type CfDetails = Readonly<Record<string, string | number | boolean | null>>;

/** The keys of `cf`. */
export type CfSection = RunContext['config']['cf'];

/** A trained model. */
export interface Prepared {
  readonly model: CfModel;
  /** Facts of its training. */
  readonly details: CfDetails;
}

/**
 * A CF model that a finished run left.
 * @param index of the backend, from 0
 * @throws InputError when it is missing, damaged, or of other data
 */
export async function loadCf(context: RunContext, device: Device, run: RunSource, index = 0): Promise<Prepared> {
  return loadCfFile(context, device, await openRunFile(run, cfFile(index)));
}

/** What the file of a backend says of the keys of `cf` that it was made with. */
const storedSection = z.looseObject({ model: z.string(), cfDim: z.int().positive() });

/**
 * The keys of `cf` of a backend that a run stored.
 * @throws InputError when its file is missing or says nothing of them
 */
export async function sectionOfState(run: RunSource, index: number, own: CfSection): Promise<CfSection> {
  const source = await openRunFile(run, cfFile(index));
  const { metadata } = await readSafetensorsHeader(source).finally(() => source.close());
  const section = storedSection.safeParse(parseObject(metadata.section, source.name, 'settings'));
  if (section.success) return { ...own, ...(section.data as Partial<CfSection>), run: null };
  throw new InputError('does not say which model it holds; the file was changed or damaged', {
    code: 'run.damaged',
    place: source.name,
  });
}

/**
 * Loads the vectors of a file and checks that they are of this config and this data set.
 * @param source closed at the end
 * @param named the run of `cf.run` that it is of; without it, this run's own
 */
export async function loadCfFile(
  { config, dataset }: RunContext,
  device: Device,
  source: ByteSource,
  named?: string,
): Promise<Prepared> {
  const { name: path } = source;
  try {
    const { state, metadata } = await parseState(source);
    const details = parseObject(metadata.details, path, 'details') as CfDetails;
    const model = cfModelFromState(device, state, path);
    const problem = mismatch(model, config.cf, dataset);
    if (problem === null) return { model, details };
    model.release();
    throw unfit(problem, named, path);
  } finally {
    await source.close();
  }
}

/** What does not fit a config or a data set, and what to do about it. */
type Mismatch = readonly [problem: string, fix: string];

export function unfit([problem, fix]: Mismatch, named: string | undefined, path = ''): InputError {
  return named === undefined
    ? new InputError(problem, { code: 'run.other-config', place: path, fix })
    : new InputError(`${named} ${problem}`, { code: 'config.value', place: 'cf.run', fix });
}

const EQUAL = 'set one to the other';
export const AGAIN = 'train it again on this data';

export function widthMismatch(width: number, cfDim: number): Mismatch | null {
  return width === cfDim ? null : [`has vectors of width ${width}, but cf.cfDim is ${cfDim}`, EQUAL];
}

function mismatch(model: CfModel, cf: CfSection, dataset: Dataset): Mismatch | null {
  if (model.name !== cf.model) return [`is a ${model.name} model, but cf.model is ${cf.model}`, EQUAL];
  const width = widthMismatch(model.cfDim, cf.cfDim);
  if (width !== null) return width;
  const options = cfOptions(cf);
  for (const [key, stored] of Object.entries(findCfDefinition(cf.model).storedOptions(model))) {
    const wanted = options[key];
    if (stored === (typeof wanted === 'number' ? Math.fround(wanted) : wanted)) continue; // stored in f32
    return [`was trained with cf.${cf.model}.${key} = ${stored}, but it is ${wanted}`, EQUAL];
  }
  const [users, items] = [model.userSeen.length - 1, model.itemSeen.length - 1];
  if (users === dataset.userCount && items === dataset.itemCount) return null;
  const { userCount, itemCount } = dataset;
  return [`has ${users} users and ${items} items, but the data set has ${userCount} and ${itemCount}`, AGAIN];
}

function parseObject(text: string | undefined, path: string, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new InputError(`its ${what} are not a JSON object; the file was changed or damaged`, {
    code: 'run.damaged',
    place: path,
  });
}
