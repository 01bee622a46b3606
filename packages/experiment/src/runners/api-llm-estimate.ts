/** What calls of an endpoint would cost, before they are made. */
import type { ExperimentConfig } from '../config/schema';
import { type ChatMessage, estimateTokens } from './api-llm-prompts';

/** Calls that are to be made, and tokens that are to be trained on. */
export interface Estimate {
  readonly calls: number;
  /** Tokens of all prompts, about. */
  readonly inputTokens: number;
  /** Tokens of all answers at most; null: without a limit. */
  readonly outputTokens: number | null;
  /** Tokens of all passes of fine-tuning, about. */
  readonly trainedTokens: number;
}

/** Counts the tokens of prompts that are to be asked. */
export function estimateCalls(
  prompts: Iterable<readonly ChatMessage[]>,
  { maxTokens }: Pick<ExperimentConfig['api'], 'maxTokens'>,
): Estimate {
  let [calls, inputTokens] = [0, 0];
  for (const messages of prompts) {
    calls++;
    inputTokens += estimateTokens(messages);
  }
  return { calls, inputTokens, outputTokens: maxTokens === null ? null : calls * maxTokens, trainedTokens: 0 };
}

/** Cost of tokens at the prices of a config; null where a price that is needed is not known. */
export function costOf(
  tokens: { readonly input: number; readonly output: number; readonly training: number },
  prices: ExperimentConfig['api']['pricePerMillion'],
): number | null {
  let cost = 0;
  for (const kind of ['input', 'output', 'training'] as const) {
    const price = prices[kind];
    if (tokens[kind] === 0) continue;
    if (price === null) return null;
    cost += (tokens[kind] * price) / 1e6;
  }
  return cost;
}

const number = (value: number) => value.toLocaleString('en-US');

/** The estimate in one sentence. */
export function describeEstimate(
  { calls, inputTokens, outputTokens, trainedTokens }: Estimate,
  { model, baseUrl, pricePerMillion }: ExperimentConfig['api'],
): string {
  const training = trainedTokens > 0 ? [`fine-tuning on about ${number(trainedTokens)} tokens`] : [];
  const answers = outputTokens === null ? 'answers of any length' : `at most ${number(outputTokens)} of answers`;
  const asking =
    calls > 0
      ? [
          `${number(calls)} ${calls === 1 ? 'call' : 'calls'} with about ${number(inputTokens)} tokens of prompts and ${answers}`,
        ]
      : [];
  const cost = costOf({ input: inputTokens, output: outputTokens ?? 0, training: trainedTokens }, pricePerMillion);
  const price =
    cost === null
      ? 'cost unknown without api.pricePerMillion'
      : `cost ${outputTokens === null && calls > 0 ? 'from' : 'at most about'} ${cost.toPrecision(3)}`;
  return `${model} at ${baseUrl}: ${[...training, ...asking].join(', then ')}; ${price}`;
}
