/** From a search space to trials: the config of each, checked before anything is trained. */
import { describeError, InputError, isInputError } from '@crossgate/core';
import { type LoadOptions, loadConfigWithNotes } from '../config/load';
import { isPlain } from '../config/plain';
import { cfMethods, type ExperimentConfig } from '../config/schema';
import type { OptionValue } from '../config/set';
import { gridPoints, randomPoints, type SweepPoint } from './draw';
import { readSweepSpace, type SweepKey } from './space';

/** What a trial is. */
export interface PlannedTrial {
  /** Number of the trial, from 1. */
  readonly trial: number;
  /** Value of each key that is searched and that the trial's method reads: as in its config, or as it was written where there is none. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Its config; null where the values do not go together. */
  readonly config: ExperimentConfig | null;
  /** Why there is no config. */
  readonly reason: string | null;
}

/** A search that can begin. */
export interface SweepPlan {
  /** The config that it changes, as the user gave it. */
  readonly config: string;
  /** What is searched. */
  readonly keys: readonly SweepKey[];
  /** How values were chosen. */
  readonly strategy: 'grid' | 'random';
  /** Seed of the draws. */
  readonly seed: number;
  /** The trials, in the order in which they run. */
  readonly trials: readonly PlannedTrial[];
}

/** What is searched, and around which config. */
export interface PlanOptions {
  /** Arguments of `--grid`: `KEY=VALUE,VALUE`. */
  readonly grid?: readonly string[] | undefined;
  /** Arguments of `--random`: `KEY=LOW..HIGH`, `KEY=log:LOW..HIGH` or `KEY=VALUE|VALUE`. */
  readonly random?: readonly string[] | undefined;
  /** Trials that are drawn; default 20. For `random` alone. */
  readonly trials?: number | undefined;
  /** Arguments of `--set` for all trials. */
  readonly set?: readonly string[] | undefined;
  /** Seed of the draws (default 1), and of every trial (default: as its config has it). */
  readonly seed?: number | undefined;
  /** Where relative paths start. */
  readonly cwd: string;
}

/** Trials of a random search that does not say how many. */
export const DEFAULT_TRIALS = 20;

/** What came of one point. */
interface Loaded {
  readonly point: SweepPoint;
  readonly config: ExperimentConfig | null;
  readonly values: Readonly<Record<string, unknown>>;
  readonly error: InputError | null;
}

/**
 * Reads a search space and makes its trials. Points that come to the same config are one trial: a key that a trial's method
 * does not read is left out of it.
 * @param path of the config
 * @throws InputError naming the option, for keys that there are not, values that no trial could have, and keys that no
 *   trial reads; naming file and line for a config that is wrong by itself
 */
export async function planTrials(path: string, options: PlanOptions): Promise<SweepPlan> {
  const { set = [], seed, cwd } = options;
  const keys = readSweepSpace(options);
  const strategy = keys[0]!.option === '--grid' ? 'grid' : 'random';
  if (strategy === 'grid' && options.trials !== undefined) {
    throw new InputError('a grid tries every combination', {
      ...{ code: 'usage', place: '--trials', fix: 'leave it out, or search with --random' },
    });
  }
  const points =
    strategy === 'grid' ? gridPoints(keys) : randomPoints(keys, options.trials ?? DEFAULT_TRIALS, seed ?? 1);
  const isSeedSearched = keys.some(({ key }) => key === 'seed');
  const load: LoadOptions = { cwd, ...(seed !== undefined && !isSeedSearched && { seed }) };
  await checkEnds(path, keys, set, load);
  const loaded: Loaded[] = [];
  for (const point of points) loaded.push(await loadPoint(path, keys, point, set, load));
  checkLoaded(keys, loaded);
  const seen = new Set<string>();
  const trials: PlannedTrial[] = [];
  for (const { config, values, error } of loaded) {
    const name = JSON.stringify(config ?? values);
    if (seen.has(name)) continue;
    seen.add(name);
    trials.push({ trial: trials.length + 1, values, config, reason: error && describeError(error) });
  }
  return { config: path, keys, strategy, seed: seed ?? 1, trials };
}

const argumentOf = ({ key, option }: SweepKey, text: string): OptionValue => ({ option, argument: `${key}=${text}` });

/** The value at a dotted path of a config. */
export function valueAt(config: ExperimentConfig, key: string): unknown {
  return key.split('.').reduce<unknown>((node, part) => (isPlain(node) ? node[part] : undefined), config);
}

async function loadPoint(
  path: string,
  keys: readonly SweepKey[],
  point: SweepPoint,
  set: readonly string[],
  options: LoadOptions,
): Promise<Loaded> {
  // A CF method is a model of cf.model: searched by one name, it brings the other.
  const model = 'method' in point && !('cf.model' in point) && cfMethods().includes(point.method!);
  const shared = [...set, ...(model ? [`cf.model=${point.method}`] : [])];
  const loadWith = (chosen: readonly SweepKey[]) =>
    loadConfigWithNotes(path, {
      ...options,
      set: [...shared, ...chosen.map((key) => argumentOf(key, point[key.key]!))],
    });
  try {
    const whole = await loadWith(keys);
    const read = keys.filter(({ key }) => !whole.unread.some((unread) => unread.key === key));
    const { config } = read.length === keys.length ? whole : await loadWith(read);
    const values = Object.fromEntries(read.map(({ key }) => [key, valueAt(config, key) ?? null]));
    return { point, config, values, error: null };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { point, config: null, values: point, error };
  }
}

/** Checks both ends of each range by themselves: a draw may miss what is wrong with them. */
async function checkEnds(
  path: string,
  keys: readonly SweepKey[],
  set: readonly string[],
  options: LoadOptions,
): Promise<void> {
  for (const key of keys) {
    if (key.range === null) continue;
    for (const end of [key.range.low, key.range.high]) {
      await loadConfigWithNotes(path, { ...options, set: [...set, argumentOf(key, String(end))] }).catch(
        (error: unknown) => {
          // Without the other keys, something else may be wrong that they put right.
          if (!isInputError(error) || placeOf(error) === `${key.option} ${key.key}`) throw error;
        },
      );
    }
  }
}

const placeOf = (error: unknown) => (error as { readonly place?: unknown } | null)?.place;

/** @throws InputError for what is wrong in every trial that it concerns */
function checkLoaded(keys: readonly SweepKey[], loaded: readonly Loaded[]): void {
  for (const key of keys) {
    const place = `${key.option} ${key.key}`;
    for (const value of key.values ?? [null]) {
      const own = loaded.filter(({ point }) => value === null || point[key.key] === value);
      const blamed = own.find(({ error }) => placeOf(error) === place);
      if (blamed !== undefined && own.every(({ error }) => error !== null)) throw blamed.error;
    }
  }
  const first = loaded[0]!;
  if (first.error !== null && loaded.every(({ error }) => error !== null)) throw first.error;
  for (const { key, option } of keys) {
    const usable = loaded.filter(({ config }) => config !== null);
    if (usable.some(({ values }) => Object.hasOwn(values, key))) continue;
    const methods = [...new Set(usable.map(({ config }) => config!.method))].join(', ');
    throw new InputError(`method ${methods} does not read it, so it would change nothing`, {
      ...{ code: 'config.unread-key', place: `${option} ${key}`, fix: 'leave it out' },
    });
  }
}
