// Generates tokens, one after the other. A cache keeps what was computed for earlier ones.
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import { add, argmax, fromHost, RandomStream, sum, withoutTape } from '@crossgate/tensor';
import type { Tokenizer } from '../tokenizer';
import { KeyValueCache } from './cache';
import type { LlamaModel } from './llama';
import { lastTokens, packSequences } from './packing';
import { contextWords } from './rotation';
import { checkSampling, type SamplingOptions, sampleToken } from './sampling';

/** Settings of {@link generate} and {@link generateTokens}. */
export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to add. Default 128. */
  readonly maxNewTokens?: number;
  /** Seed of the draws; not used at temperature 0. Default 0. */
  readonly seed?: number;
  /** Called with each new token. */
  readonly onToken?: (token: number) => void;
  /** Aborting it ends the generation between two tokens and throws its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * The model's tokenizer: its end tokens end the text, and rows of the model without a token of it are never chosen.
   * Default: the ends of the model's configuration, and every row.
   */
  readonly tokenizer?: Pick<Tokenizer, 'eosTokenIds' | 'has'>;
}

/** Checks that tokens can be embedded. @throws InputError for no tokens, and for tokens outside the vocabulary. */
export function checkVocabulary({ config: { vocabSize } }: LlamaModel, tokens: readonly number[]): void {
  if (tokens.length === 0) throw new InputError('at least one token is needed', { code: 'prompt.empty' });
  const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabSize);
  if (wrong !== undefined)
    throw new InputError(`token ${wrong} is outside the vocabulary of ${vocabSize}`, { code: 'tokenizer.token' });
}

/** @throws InputError when one of the logits is NaN or infinite. */
function requireFinite(logits: Float32Array, what: string): void {
  const token = logits.findIndex((logit) => !Number.isFinite(logit));
  if (token >= 0) throw brokenOutput(`${what}: that of token ${token} is ${logits[token]}`);
}

function brokenOutput(what: string): InputError {
  return new InputError(`${what}; the model's output is broken, its weights or an adapter's are probably damaged`, {
    code: 'model.output',
  });
}

/**
 * Logits after the last token of a sequence: [vocabSize].
 *
 * @throws InputError for no tokens, tokens outside the vocabulary, a sequence longer than the context, and logits that
 * are not finite.
 */
export async function lastLogits(model: LlamaModel, tokens: readonly number[]): Promise<Float32Array> {
  checkVocabulary(model, tokens);
  const { device } = model;
  using _ = device.step();
  const batch = packSequences(device, [tokens.length]);
  const hidden = model.forward(model.embed(Uint32Array.from(tokens)), batch, lastTokens(batch));
  const logits = await model.logits(hidden).read();
  requireFinite(logits, `the logits after ${tokens.length} tokens are not finite`);
  return logits;
}

/**
 * Continues a sequence until an end token, the limit, or the end of the model's context.
 *
 * @returns the new tokens, without the end token.
 * @throws InputError as {@link generateTokens} does.
 */
export async function generate(
  model: LlamaModel,
  prompt: readonly number[],
  options: GenerateOptions = {},
): Promise<number[]> {
  const tokens: number[] = [];
  for await (const token of generateTokens(model, prompt, options)) tokens.push(token);
  return tokens;
}

/**
 * Continues a sequence token by token, as {@link generate} does. The cache is freed when the loop over the tokens ends,
 * in whatever way.
 *
 * @throws InputError for an empty prompt, tokens outside the vocabulary, a prompt longer than the context, sampling
 * options out of range, and logits that are not finite; the reason of the signal when it is aborted.
 */
export async function* generateTokens(
  model: LlamaModel,
  prompt: readonly number[],
  { maxNewTokens = 128, seed = 0, onToken, signal, tokenizer, ...sampling }: GenerateOptions = {},
): AsyncGenerator<number, void, undefined> {
  checkVocabulary(model, prompt);
  checkSampling(sampling);
  if (prompt.length > model.maxPositions) {
    throw new InputError(`the prompt's ${prompt.length} tokens exceed ${contextWords(model.config)}`, {
      code: 'prompt.too-long',
    });
  }
  const random = new RandomStream(seed, 'generate');
  const { eosTokenIds } = tokenizer ?? model.config;
  const penalties = tokenizer ? penaltiesOf(tokenizer, model.config.vocabSize) : undefined;
  // The last token is never followed, so its keys are not needed.
  const most = Math.min(maxNewTokens, model.maxPositions - prompt.length);
  using cache = new KeyValueCache(model, prompt.length + Math.max(0, most - 1));
  let next = prompt;
  for (let count = 0; count < most; count++) {
    signal?.throwIfAborted();
    const token = await nextToken(model, cache, next, (logits) =>
      choose(logits, count + 1, sampling, random, penalties),
    );
    if (eosTokenIds.includes(token)) return;
    onToken?.(token);
    yield token;
    next = [token];
  }
}

/**
 * Adds tokens to a cache, and passes the logits of the last one, [1, vocabSize], to `use` while they are on the device.
 */
async function nextToken(
  model: LlamaModel,
  cache: KeyValueCache,
  tokens: readonly number[],
  use: (logits: Tensor) => Promise<number>,
): Promise<number> {
  const { profiler } = model.device.recorder;
  using _ = profiler?.step(tokens.length > 1 ? 'prompt' : 'token');
  using __ = model.device.step();
  const recording = profiler?.span('record');
  const logits = withoutTape(() => model.logits(model.extend(cache, model.embed(Uint32Array.from(tokens)))));
  recording?.[Symbol.dispose]();
  using ___ = profiler?.span('wait');
  return await use(logits);
}

/** Below every logit of a model, and finite: what is added to the logits of rows without a token. */
const never = Math.fround(-1e30);

/** What is added to each logit; undefined where every row has a token. */
function penaltiesOf({ has }: Pick<Tokenizer, 'has'>, rows: number): Float32Array | undefined {
  const penalties = Float32Array.from({ length: rows }, (_, id) => (has(id) ? 0 : never));
  return penalties.includes(never) ? penalties : undefined;
}

/** @param step 1 for the first new token; for messages */
async function choose(
  logits: Tensor,
  step: number,
  sampling: SamplingOptions,
  random: RandomStream,
  penalties: Float32Array | undefined,
): Promise<number> {
  const problem = `the logits of new token ${step} are not finite`;
  if ((sampling.temperature ?? 0) === 0) {
    // The likeliest token is found on the device, so that eight bytes travel instead of the vocabulary. Argmax passes over NaN; a
    // sum does not.
    const held = penalties ? add(logits, fromHost(logits.device, logits.shape, penalties)) : logits;
    const [token, total] = [argmax(held), sum(logits)];
    const [[likeliest], [value]] = await Promise.all([token.readIntegers(), total.read()]);
    if (!Number.isFinite(value)) throw brokenOutput(problem);
    return likeliest!;
  }
  const values = await logits.read();
  requireFinite(values, problem);
  if (penalties) for (const [id, penalty] of penalties.entries()) values[id]! += penalty;
  return sampleToken(values, sampling, random.uniform());
}
