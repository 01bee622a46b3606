/** The prompts of `api-llm`: those of the method zero-shot in words, as messages of a chat. */
import type { Dataset } from '@crossgate/data';
import {
  fillNoun,
  type Method,
  type NeighborOptions,
  type PromptInput,
  Template,
  usesNeighbors,
  withNamed,
  withNeighbors,
  zeroShot,
} from '@crossgate/fusion';
import type { ExperimentConfig } from '../config/schema';
import { type Neighbors, neighborItems } from './neighbors';

/** A message of a chat. */
export interface ChatMessage {
  /** Who says it. */
  readonly role: 'system' | 'user' | 'assistant';
  /** What is said. */
  readonly content: string;
}

/** What is asked about a user and an item. */
export type MakeMessages = (input: PromptInput) => readonly ChatMessage[];

/** The method of a config, with or without neighbors: its template and slots. */
export function wordedMethod({ prompt }: ExperimentConfig): Method {
  return withNeighbors(zeroShot, prompt.neighbors);
}

/**
 * What makes the messages of a config.
 * @param neighbors what CF recommends; without, the same items stand for everybody's, which shows how long prompts are
 * @throws InputError for a template with a slot that nothing fills, or without the candidate
 */
export function makeMessages(config: ExperimentConfig, dataset: Dataset, neighbors?: Neighbors): MakeMessages {
  const { prompt, api } = config;
  const method = wordedMethod(config);
  const template = new Template(fillNoun(prompt.template ?? method.template, prompt.noun), method.slots);
  const { neighborCount: count, excludeTarget } = prompt;
  const anyone = neighborItems(dataset).slice(0, count + 1);
  const named: NeighborOptions | undefined = usesNeighbors(method)
    ? { of: neighbors ?? (() => anyone), count, excludeTarget }
    : undefined;
  const titleOf = (item: number) => dataset.items[item]!.title.trim();
  const system: readonly ChatMessage[] = api.system === null ? [] : [{ role: 'system', content: api.system }];
  return (input) => [
    ...system,
    { role: 'user', content: template.text(withNamed(input, named), prompt.historyLength, titleOf) },
  ];
}

/**
 * About how many tokens messages are: four bytes each, and some for each message. Endpoints count by their own
 * tokenizers.
 */
export function estimateTokens(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + Math.ceil(Buffer.byteLength(content) / 4) + 6, 3);
}

/** A line of a file for fine-tuning: the messages and the answer that the label is. */
export function trainingLine(messages: readonly ChatMessage[], label: number): string {
  const answer: ChatMessage = { role: 'assistant', content: label === 1 ? 'Yes' : 'No' };
  return `${JSON.stringify({ messages: [...messages, answer] })}\n`;
}
