/** From a profile to configs: what an experiment of the paper is on one data set with one seed. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { stagesOf } from '@crossgate/fusion/methods';
import { API_OPERATION } from '../config/api-schema';
import { loadConfig } from '../config/load';
import { declarationOf } from '../config/method-defaults';
import { findOwnMethod } from '../config/own-methods';
import type { Plain } from '../config/plain';
import type { ExperimentConfig } from '../config/schema';
import { type PaperBackend, type PaperExperiment, paperExperiment } from './experiments';
import type { PaperProfile } from './profiles';
import { type PaperPart, type PaperRow, paperCase, paperMap, paperRows, trivialBaselines } from './tables';

/** What a reproduction is made of. */
export interface PaperPlan {
  /** How large the reproduction is. */
  readonly profile: PaperProfile;
  /** The folder `configs` that came with the program. */
  readonly configs: string;
  /** Where relative paths start. */
  readonly cwd: string;
  /** In place of the profile's model. */
  readonly model?: string | undefined;
  /** In place of the profile's seeds. */
  readonly seeds?: readonly number[] | undefined;
  /** `--set` arguments for every experiment. */
  readonly set?: readonly string[] | undefined;
}

/** One experiment on one data set with one seed. */
export interface PaperCell {
  /** What is run. */
  readonly experiment: PaperExperiment;
  /** The data set, as the profile names it. */
  readonly dataset: PaperProfile['datasets'][number];
  /** Seed of every random choice. */
  readonly seed: number;
  /** Without the runs whose vectors it is given. */
  readonly config: ExperimentConfig;
}

/** The seeds of an experiment. */
export function seedsOf({ seeds, profile }: PaperPlan, { mostSeeds }: PaperExperiment): readonly number[] {
  return (seeds ?? profile.seeds).slice(0, mostSeeds);
}

/**
 * Of how many training rows a run learns: the fewest that one of its stages sees; 0 of a method that is not trained.
 * @param trainRows rows of the data set
 */
export function trainedRowsOf(
  { method, training, api }: Pick<ExperimentConfig, 'method' | 'training' | 'api'>,
  trainRows: number,
): number {
  const rows = stagesToTrain({ method, training, api })?.map((stage) => training[stage].rows ?? trainRows);
  if (rows === undefined) return trainRows;
  return rows.length === 0 ? 0 : Math.min(trainRows, ...rows);
}

/** The stages on a language model that a run trains, by their settings; undefined for methods without one. */
export function stagesToTrain({
  method,
  training,
  api,
}: Pick<ExperimentConfig, 'method' | 'training' | 'api'>): readonly ('stage1' | 'stage2')[] | undefined {
  const declaration = declarationOf(method);
  if (declaration !== undefined) return stagesOf(declaration, training.strategy).map(({ settings }) => settings);
  if (method !== 'api-llm') return undefined;
  return api.fineTune ? ['stage1'] : [];
}

/** @throws InputError for a config of the profile, or an argument of `set`, that cannot be used */
export async function paperCell(
  { profile, configs, cwd, model, set }: PaperPlan,
  key: string,
  dataset: PaperProfile['datasets'][number],
  seed: number,
): Promise<PaperCell> {
  const experiment = paperExperiment(key);
  const { method, settings, passes = 1 } = experiment;
  const hasLanguageModel = declarationOf(method) !== undefined || findOwnMethod(method)?.namesNeighbors === true;
  const { baseline, ...ofModels } = profile.cf;
  const file = hasLanguageModel ? profile.llm : (ofModels[method as PaperBackend] ?? baseline);
  const neighbors = (settings.prompt as Plain | undefined)?.neighbors === true;
  const config = await loadConfig(join(configs, file), {
    // What is set of the endpoint is no business of other methods, whose runs would be other runs.
    ...{ cwd, seed, set: (set ?? []).filter((argument) => method === 'api-llm' || !argument.startsWith('api.')) },
    overrides: [
      { method, name: key, data: { name: dataset.name } },
      profile.common,
      dataset.settings,
      ...(hasLanguageModel ? [profile.methods[method] ?? {}] : []),
      ...(neighbors ? [profile.neighbors] : []),
      settings,
      ...(hasLanguageModel && model !== undefined ? [{ llm: { path: model } }] : []),
    ],
  });
  const { stage1, stage2 } = config.training;
  const longer = <T extends { readonly epochs: number }>(stage: T): T => ({ ...stage, epochs: stage.epochs * passes });
  const training = { ...config.training, stage1: longer(stage1), stage2: longer(stage2) };
  return { experiment, dataset, seed, config: passes === 1 ? config : { ...config, training } };
}

/**
 * The config of a cell with the vectors of other runs.
 * @param backends the cells whose runs these are, with the runs' folders
 */
export function withBackends(
  cell: PaperCell,
  backends: readonly { readonly cell: PaperCell; readonly run: string }[],
): ExperimentConfig {
  const [first] = backends;
  if (first === undefined) return cell.config;
  const runs = backends.map(({ run }) => run);
  const cf = { ...first.cell.config.cf, run: runs.length > 1 ? (runs as [string, string]) : first.run };
  return { ...cell.config, cf };
}

/**
 * A hash of all that decides what an experiment gives: its config without names and places, its data, its model, and the same of
 * the runs that it is given vectors of.
 */
export function cellHash(
  config: ExperimentConfig,
  parts: { readonly dataHash: string; readonly model: string | null; readonly backends: readonly string[] },
): string {
  const { name: _, data, llm, api, cf, ...rest } = config;
  const content = {
    ...rest,
    // Other methods call no endpoint, and where it is and how it is used decides nothing.
    ...(config.method === 'api-llm' && { api: withoutOperation(api) }),
    data: { ...ofWindow(data), path: null },
    llm: { ...llm, path: null },
    cf: { ...cf, run: null },
    ...parts,
  };
  return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12);
}

/** Without the window where it is that of the paper: runs from before there was a choice keep their names. */
function ofWindow({ window, ...data }: ExperimentConfig['data']): Plain {
  return window === 'all' ? { ...data, window } : data;
}

/** What an endpoint is asked. */
function withoutOperation(api: ExperimentConfig['api']): Plain {
  return Object.fromEntries(
    Object.entries(api).filter(([key]) => !API_OPERATION.some((path) => path.split('.')[1] === key)),
  );
}

/**
 * The rows of some parts, those whose id matches alone, and with them the trivial baselines of their tables.
 * @param only ids, or words of which one must be part of the id; all rows without any
 * @returns none where nothing matches
 */
export function rowsOf(parts: readonly PaperPart[], only: readonly string[] = []): PaperRow[] {
  // A whole id means that row, and not those whose ids begin like it.
  const isWhole = new Set(only.filter((word) => paperRows.some(({ id }) => id === word)));
  const isNamed = (id: string) => only.some((word) => (isWhole.has(word) ? id === word : id.includes(word)));
  const isChosen = ({ id, part }: PaperRow) => parts.includes(part) && (only.length === 0 || isNamed(id));
  const shown = new Set(paperRows.filter(isChosen).map(({ part }) => part));
  return paperRows.filter((row) => isChosen(row) || (shown.has(row.part) && trivialBaselines.includes(row.experiment)));
}

/** The experiments that some parts need, those with the vectors of others behind these. */
export function experimentsOf(parts: readonly PaperPart[], rows: readonly PaperRow[]): string[] {
  const wanted = new Set<string>();
  const add = (key: string) => {
    for (const backend of paperExperiment(key).backends) add(backend);
    wanted.add(key);
  };
  for (const { experiment, base } of rows) {
    if (base !== undefined) add(base);
    add(experiment);
  }
  if (parts.includes('table5')) for (const key of [...paperCase.experiments, paperCase.baseline]) add(key);
  if (parts.includes('figure4')) add(paperMap.experiment);
  return [...wanted];
}
