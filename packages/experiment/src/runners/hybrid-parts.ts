/** What a runner with a language model works with: the method as it is run, the base model, and what makes prompts. */
import { findCfDefinition } from '@crossgate/cf';
import { InputError } from '@crossgate/core';
import {
  finalTemplate,
  type Method,
  type NeighborOptions,
  PromptBuilder,
  type Stage,
  stagesOf,
  usesCf,
  usesNeighbors,
} from '@crossgate/fusion';
import type { Device } from '@crossgate/gpu';
import { contextOf, type LlamaModel, type Tokenizer } from '@crossgate/llm';
import { usablePrecision } from '@crossgate/tensor';
import type { LentModel } from '../lent-model';
import { stagesOfConfig, templatesOf } from './declared-stages';
import { type Neighbors, neighborItems } from './neighbors';
import { cfOptions } from './parameter-sizes';
import type { RunContext } from './run-context';

/** The base model, and what turns rows into its input. */
export interface HybridParts<Context extends RunContext = RunContext> {
  /** The method, with or without neighbors, as the config says. */
  readonly method: Method;
  /** Its stages. */
  readonly stages: readonly Stage[];
  readonly llm: LlamaModel;
  readonly device: Device;
  /** A context for each CF backend, see `backendContexts` and `finishedContexts`. */
  readonly contexts: readonly Context[];
  /** Makes the prompts. @param neighbors what CF recommends, for a method that names it */
  prompts(neighbors?: Neighbors): Prompts;
}

/** What makes prompts. */
export interface Prompts {
  /** Of each stage. */
  readonly stages: readonly PromptBuilder[];
  /** Of a finished run: that of its last stage. */
  readonly final: PromptBuilder;
}

/**
 * What makes the prompts of each stage, and of the finished run.
 * @param contexts of the CF backends
 * @param contextLength most tokens that the model reads
 * @param neighbors of users; without, the same items stand for everybody's, which shows how long prompts are
 * @throws InputError for a template that does not fit the method or the model
 */
export function makePrompts(
  { config, dataset }: Pick<RunContext, 'config' | 'dataset'>,
  method: Method,
  contexts: readonly Pick<RunContext, 'config'>[],
  tokenizer: Tokenizer,
  contextLength: number,
  neighbors?: Neighbors,
): Prompts {
  const templates = templatesOf(config);
  const titles = dataset.items.map(({ title }) => title);
  const [reader] = contexts
    .map(({ config: { cf } }) => ({ definition: findCfDefinition(cf.model), options: cfOptions(cf) }))
    .filter(({ definition, options }) => definition.historyLength(options) > 0);
  const { neighborCount, excludeTarget } = config.prompt;
  const anyone = neighborItems(dataset).slice(0, neighborCount + 1);
  const named: NeighborOptions = { of: neighbors ?? (() => anyone), count: neighborCount, excludeTarget };
  const builders = new Map<string, PromptBuilder>();
  const builderOf = (template: string) => {
    const known = builders.get(template);
    if (known) return known;
    const builder = new PromptBuilder(tokenizer, titles, {
      template,
      nouns: config.prompt.noun,
      historyLength: config.prompt.historyLength,
      maxLength: Math.min(config.llm.maxLength, contextLength),
      slots: method.slots,
      ...(usesNeighbors(method) && { neighbors: named }),
      ...(reader &&
        usesCf(method) && {
          userHistoryLength: reader.definition.historyLength(reader.options),
          userHistories: reader.definition.histories(dataset, reader.options),
        }),
    });
    if (dataset.itemCount > 0) builder.build({ user: 1, item: 1, history: [] });
    builders.set(template, builder);
    return builder;
  };
  return {
    stages: stagesOf(method, config.training.strategy, templates).map(({ template }) => builderOf(template)),
    final: builderOf(finalTemplate(method, config.training.strategy, templates)),
  };
}

/**
 * What a method works with on a lent model.
 * @param openDevice called once prompts were built: a template that does not fit is found before
 * @param check called with device and prompts before the weights are loaded
 * @throws InputError as `makePrompts`, for a precision that the device lacks, and what opening the device, `check` and
 * loading throw
 */
export async function partsOf<Context extends RunContext>(
  context: Context,
  method: Method,
  contexts: readonly Context[],
  lent: LentModel,
  openDevice: () => Promise<Device>,
  check: (device: Device, prompts: Prompts) => void = () => {},
): Promise<HybridParts<Context>> {
  const { config } = context;
  const tokenizer = await lent.tokenizer();
  const prompts = (neighbors?: Neighbors) =>
    makePrompts(context, method, contexts, tokenizer, contextOf(lent.config), neighbors);
  const first = prompts();
  const device = await openDevice();
  check(device, first);
  const { checkpointing } = config.training;
  const warn = (message: string) => context.session.log.warn(message);
  const { headDim } = lent.config;
  const precision = await usablePrecision(device, config.llm.precision, 'llm.precision:', warn, headDim);
  const llm = (await lent.load(config.llm.weights)).with({ checkpointing, precision });
  return { method, stages: stagesOfConfig(method, config), llm, device, contexts, prompts };
}

/**
 * Checks that a model is the one that a run was trained on.
 * @param stored hash of that, as the run's config.yaml has it
 * @param path of this one, for messages
 * @throws InputError when it is another
 */
export function checkModel(stored: unknown, hash: string, path: string): void {
  if (stored === undefined || stored === hash) return;
  throw new InputError(`${path} is another model than the run was trained on (hash ${hash}, then ${stored})`, {
    code: 'run.other-config',
    place: 'llm.path',
    fix: 'name the same with --set llm.path=PATH',
  });
}
