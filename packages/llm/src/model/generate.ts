// Text, token by token.
import { InputError } from '@crossgate/gpu';
import type { Tensor } from '@crossgate/tensor';
import { argmax, RandomStream } from '@crossgate/tensor';
import type { LlamaModel } from './llama';
import { lastTokens, packSequences } from './packing';

export interface GenerateOptions {
  /** Most tokens to add. Default 128. */
  readonly maxNewTokens?: number;
  /** 0 (default) takes the likeliest token; above it, tokens are drawn from softmax(logits / temperature). */
  readonly temperature?: number;
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
  /** Called with each new token. */
  readonly onToken?: (token: number) => void;
}

/** Logits of the last position of a sequence, [vocabSize]. @throws InputError for no tokens, or tokens outside the vocabulary. */
export function lastLogits(model: LlamaModel, tokens: readonly number[]): Promise<Float32Array> {
  return atLastPosition(model, tokens, (logits) => logits.read());
}

/** Runs a sequence and hands the logits of its last position, [1, vocabSize], to `use` while they are on the device. */
async function atLastPosition<T>(
  model: LlamaModel,
  tokens: readonly number[],
  use: (logits: Tensor) => Promise<T>,
): Promise<T> {
  if (tokens.length === 0) throw new InputError('at least one token is needed');
  const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= model.config.vocabSize);
  if (wrong !== undefined) {
    throw new InputError(`token ${wrong} is outside the vocabulary of ${model.config.vocabSize}`);
  }
  const { device } = model;
  using _ = device.step();
  const batch = packSequences(device, [tokens.length]);
  const hidden = model.forward(model.embed(Uint32Array.from(tokens)), batch, lastTokens(batch));
  return await use(model.logits(hidden));
}

/**
 * Continues a sequence until an end token, the limit, or the model's context.
 *
 * @returns the new tokens, without the end token.
 */
export async function generate(
  model: LlamaModel,
  prompt: readonly number[],
  { maxNewTokens = 128, temperature = 0, seed = 0, onToken }: GenerateOptions = {},
): Promise<number[]> {
  if (!(temperature >= 0)) throw new InputError(`temperature is ${temperature}, expected a number of at least 0`);
  const random = new RandomStream(seed, 'generate');
  const tokens = [...prompt];
  while (tokens.length - prompt.length < maxNewTokens && tokens.length < model.maxPositions) {
    const token = await atLastPosition(model, tokens, async (logits) =>
      // The likeliest token is found on the device, so that four bytes travel instead of the vocabulary.
      temperature === 0
        ? (await argmax(logits).readIntegers())[0]!
        : draw(await logits.read(), temperature, random.uniform()),
    );
    if (model.config.eosTokenIds.includes(token)) break;
    tokens.push(token);
    onToken?.(token);
  }
  return tokens.slice(prompt.length);
}

/** The token at which the cumulative probability passes `uniform`. */
function draw(logits: Float32Array, temperature: number, uniform: number): number {
  const greatest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - greatest) / temperature));
  let remaining = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < weights.length; i++) {
    remaining -= weights[i]!;
    if (remaining < 0) return i;
  }
  return weights.length - 1;
}
