/** What a runner with a language model works with: the method as it is run, the base model, and what makes prompts. */
import { findCfDefinition } from '@crossgate/cf';
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
import type { LlamaModel, Tokenizer } from '@crossgate/llm';
import { templatesOf } from './declared-stages';
import { type Neighbors, neighborItems } from './neighbors';
import { cfOptions } from './parameter-sizes';
import type { RunnerContext } from './runner';

/** The base model, and what turns rows into its input. */
export interface HybridParts {
  /** The method, with or without neighbors, as the config says. */
  readonly method: Method;
  /** Its stages. */
  readonly stages: readonly Stage[];
  readonly llm: LlamaModel;
  readonly device: Device;
  /** A context for each CF backend, see `backendContexts`. */
  readonly contexts: readonly RunnerContext[];
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
  { config, dataset }: Pick<RunnerContext, 'config' | 'dataset'>,
  method: Method,
  contexts: readonly RunnerContext[],
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
