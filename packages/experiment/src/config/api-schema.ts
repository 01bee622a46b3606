/** The section `api` of a config: a language model behind an OpenAI-compatible endpoint. */
import { z } from 'zod';

const count = (most: number) => z.int().positive().max(most);
const seconds = (most: number) => z.number().positive().max(most);
/** A price that is not known is null. */
const price = z.number().nonnegative().nullable().default(null);

/** Fields of a request that are Crossgate's own business. */
const RESERVED: readonly string[] = ['model', 'messages', 'stream', 'n', 'logprobs', 'top_logprobs'];

/** Whether an address can be an endpoint; a key in it would be written into config.yaml. */
function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && `${username}${password}${search}${hash}` === '';
}

/** The section, with every default. */
export const api = z.strictObject({
  baseUrl: z
    .string()
    .refine(isEndpoint, 'must be an http or https address without user, key and query')
    .default('https://api.openai.com/v1')
    .describe('Address of an endpoint that speaks the protocol of OpenAI, with its version, such as …/v1'),
  model: z.string().min(1).nullable().default(null).describe('Model, as the endpoint names it'),
  keyVariable: z
    .string()
    .min(1)
    .nullable()
    .default('OPENAI_API_KEY')
    .describe('Environment variable that holds the key; null: the endpoint needs none'),
  system: z.string().min(1).nullable().default(null).describe('System message before the prompt; null: none'),
  maxTokens: count(1e6)
    .nullable()
    .default(16)
    .describe('Most tokens of an answer (max_tokens); null: not sent, for models that want max_completion_tokens'),
  temperature: z.number().min(0).max(2).nullable().default(0).describe('Temperature; null: not sent'),
  logprobs: z
    .boolean()
    .default(true)
    .describe('Ask for log probabilities; an answer without them scores 1 for Yes and 0 for No'),
  parameters: z
    .record(z.string(), z.unknown())
    .refine((fields) => !RESERVED.some((name) => name in fields), `must not hold ${RESERVED.join(', ')}`)
    .default({})
    .describe('Further fields of each request, such as max_completion_tokens or reasoning_effort'),
  concurrency: count(1024).default(4).describe('Requests at a time'),
  timeout: seconds(3600).default(60).describe('Seconds that a request may take, its answer included'),
  retries: z
    .int()
    .nonnegative()
    .max(100)
    .default(6)
    .describe('Further tries of a request after 408, 409, 429, 5xx, no connection, or an answer that is cut off'),
  requestsPerMinute: count(1e7).nullable().default(null).describe('Most requests a minute; null: no limit'),
  tokensPerMinute: count(1e10).nullable().default(null).describe('Most tokens a minute; null: no limit'),
  pricePerMillion: z
    .strictObject({
      input: price.describe('Of tokens of prompts; null: unknown'),
      output: price.describe('Of tokens of answers; null: unknown'),
      training: price.describe('Of trained tokens, with fineTune; null: unknown'),
    })
    .prefault({})
    .describe('Price of a million tokens, for the estimate and result.json'),
  fineTune: z
    .boolean()
    .default(false)
    .describe('First tune the model on the endpoint, on training.stage1.rows in training.stage1.epochs passes'),
  pollEvery: seconds(3600).default(30).describe('Seconds between two looks at a fine-tuning job'),
});

/** Keys that say where the endpoint is and how it is used, but not what it answers. */
export const API_OPERATION = [
  'api.baseUrl',
  'api.keyVariable',
  'api.concurrency',
  'api.timeout',
  'api.retries',
  'api.requestsPerMinute',
  'api.tokensPerMinute',
  'api.pricePerMillion.input',
  'api.pricePerMillion.output',
  'api.pricePerMillion.training',
  'api.pollEvery',
] as const;
