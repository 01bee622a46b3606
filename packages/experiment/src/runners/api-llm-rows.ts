/**
 * What `api-llm` asks about: the rows of a config as prompts, with the items that CF recommends where the prompt names
 * them.
 */
import { findCfDefinition } from '@crossgate/cf';
import { sampleRows } from '@crossgate/data';
import { usesNeighbors } from '@crossgate/fusion';
import type { ExperimentConfig, SplitName } from '../config/schema';
import { evaluatedRows } from '../evaluated-rows';
import { type ChatMessage, type MakeMessages, wordedMethod } from './api-llm-prompts';
import type { CfDetails, loadCf } from './cf-model';
import { checkCfRun } from './cf-phase';
import { checkNeighborModel, type Neighbors, neighborLists } from './neighbors';
import { cfOptions, checkCfSizes } from './parameter-sizes';
import type { RunnerContext } from './runner';

/** Whether the prompt names what CF recommends. */
export const namesNeighbors = (config: ExperimentConfig): boolean => usesNeighbors(wordedMethod(config));

/** Checks what neighbors need, before anything is paid for. @returns the adapter that CF uses; null without CF */
export async function checkNeighbors(context: RunnerContext): Promise<string | null> {
  const { config, dataset, session } = context;
  if (!namesNeighbors(config)) return null;
  const { cf } = config;
  checkNeighborModel({ name: cf.model, historyLength: findCfDefinition(cf.model).historyLength(cfOptions(cf)) });
  await checkCfRun(context);
  const device = await session.device();
  checkCfSizes(device, config, dataset);
  return device.capabilities.name;
}

/** What a CF model recommends to everybody; the model itself is not needed any more. */
export async function recommend(
  { config, dataset }: RunnerContext,
  open: () => ReturnType<typeof loadCf>,
): Promise<{ lists: Neighbors; details: CfDetails }> {
  const { model, details } = await open();
  try {
    return { lists: await neighborLists(model, dataset, config.prompt.neighborCount + 1), details };
  } finally {
    model.release();
  }
}

/** A row as a prompt, with its label: 1 for a positive. */
export interface AskedRow {
  readonly messages: readonly ChatMessage[];
  readonly label: number;
}

/** The rows that a split is scored on. */
export function scoredPrompts(context: Rows, split: SplitName, make: MakeMessages): AskedRow[] {
  return asked(context, split, evaluatedRows(context.config, context.dataset, split), make);
}

/** The rows that a model is tuned on: a seeded sample of the train rows. */
export function trainingPrompts(context: Rows, make: MakeMessages): AskedRow[] {
  const { config, dataset } = context;
  const { rows } = dataset.splits.train;
  const sample = sampleRows(rows, config.training.stage1.rows ?? rows, config.seed);
  return asked(context, 'train', sample, make);
}

type Rows = Pick<RunnerContext, 'config' | 'dataset'>;

function asked({ dataset }: Rows, split: SplitName, rows: Int32Array, make: MakeMessages): AskedRow[] {
  const { user, item, label } = dataset.splits[split];
  return Array.from(rows, (row) => ({
    messages: make({ user: user[row]!, item: item[row]!, history: dataset.history(split, row) }),
    label: label[row]!,
  }));
}
