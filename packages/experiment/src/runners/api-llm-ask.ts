/** Asks many prompts at a time, each once: what was answered before is taken from the answers of the run. */
import { InterruptedError } from '@crossgate/core';
import { z } from 'zod';
import type { ExperimentConfig } from '../config/schema';
import type { Session } from '../session';
import { type Answer, logitOf, parseVerdict } from './api-llm-answers';
import { type AnswerCache, answerKey } from './api-llm-cache';
import { type ApiClient, PromptRefusedError } from './api-llm-client';
import { type ChatMessage, estimateTokens } from './api-llm-prompts';

/** What prompts are asked with. */
export interface AskOptions {
  /** The section `api` of a config. */
  readonly api: ExperimentConfig['api'];
  /** The model to ask, as the endpoint names it: that of the config, or a tuned one. */
  readonly model: string;
  readonly client: ApiClient;
  readonly cache: AnswerCache;
  readonly session: Pick<Session, 'log' | 'progress' | 'signal'>;
  /** Called after each answer that is stored. */
  readonly onStored?: () => void;
  /** Called after each answer with those there are and all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Characters of an answer that are stored. */
const STORED = 300;
/** Likeliest tokens that are asked for: what most endpoints give. */
const ALTERNATIVES = 5;

const completion = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.string().nullish(), refusal: z.string().nullish() }),
        finish_reason: z.string().nullish(),
        logprobs: z.unknown().optional(),
      }),
    )
    .min(1),
  usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
});

/**
 * The answers of prompts, in their order.
 * @param label what the progress is called
 * @throws the first error of a request, once the others under way are answered and stored; InterruptedError likewise
 */
export async function askAll(
  prompts: readonly (readonly ChatMessage[])[],
  label: string,
  options: AskOptions,
): Promise<Answer[]> {
  const { api, model, cache, session, onStored, onProgress } = options;
  const { log, progress, signal } = session;
  const keys = prompts.map((messages) => answerKey(model, messages));
  const waiting = new Map<string, readonly ChatMessage[]>();
  for (const [index, key] of keys.entries()) if (cache.get(key) === undefined) waiting.set(key, prompts[index]!);
  const distinct = new Set(keys).size;
  const queue = [...waiting];
  let done = distinct - queue.length;
  const task = progress.start(label, distinct, 'answers', done);
  const failures: unknown[] = [];
  let underWay = 0;
  const told = () =>
    log.info(`waiting for ${underWay} ${underWay === 1 ? 'answer that is' : 'answers that are'} under way`);
  const onAbort = () => underWay > 0 && told();
  signal.addEventListener('abort', onAbort, { once: true });
  const work = async () => {
    while (failures.length === 0 && !signal.aborted) {
      const next = queue.shift();
      if (next === undefined) return;
      underWay++;
      try {
        cache.add(await askOne(...next, options));
        onStored?.();
        done++;
        task.update(done);
        onProgress?.(done, distinct);
      } catch (error) {
        failures.push(error);
      } finally {
        underWay--;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(api.concurrency, queue.length) }, work));
  } finally {
    task.finish();
    signal.removeEventListener('abort', onAbort);
  }
  if (signal.aborted) throw new InterruptedError();
  if (failures.length > 0) throw failures[0];
  return keys.map((key) => cache.get(key)!);
}

async function askOne(
  key: string,
  messages: readonly ChatMessage[],
  { api, model, client }: AskOptions,
): Promise<Answer> {
  const { maxTokens, temperature, logprobs, parameters } = api;
  const expected = estimateTokens(messages) + (maxTokens ?? 0);
  try {
    const { choices, usage } = await client.request({
      tokens: expected,
      send: (openai, options) =>
        openai.chat.completions.create(
          {
            ...parameters,
            model,
            messages: [...messages],
            ...(maxTokens !== null && { max_tokens: maxTokens }),
            ...(temperature !== null && { temperature }),
            ...(logprobs && { logprobs, top_logprobs: ALTERNATIVES }),
          },
          options,
        ),
      read: (body) => completion.safeParse(body).data,
    });
    if (usage) client.correct(usage.prompt_tokens + usage.completion_tokens - expected);
    const [{ message, finish_reason: finish, logprobs: given }] = choices as [(typeof choices)[number]];
    const text = message.content ?? '';
    const verdict = message.refusal || finish === 'content_filter' ? null : parseVerdict(text);
    return {
      ...{ key, model, verdict, logit: logitOf(given, text, verdict), cutOff: finish === 'length' },
      text: client.redact(message.refusal || text).slice(0, STORED),
      tokens: usage ? { input: usage.prompt_tokens, output: usage.completion_tokens } : null,
    };
  } catch (error) {
    if (!(error instanceof PromptRefusedError)) throw error;
    return { key, model, verdict: null, logit: null, text: error.message, cutOff: false, tokens: null };
  }
}
