// Text as it is generated: whole characters, up to a stop string.
import { InputError } from '@crossgate/gpu';
import type { Tokenizer } from '../tokenizer';
import { type GenerateOptions, generateTokens } from './generate';
import type { LlamaModel } from './llama';

export interface GenerateTextOptions extends GenerateOptions {
  /** Texts that end the generation; they are not part of the result. */
  readonly stop?: readonly string[];
}

/**
 * Text of tokens that come one by one. A character whose bytes lie in several tokens is held back until it is whole. Every piece is decoded
 * with the one before it, because the first space of a text is not a space of its continuation.
 */
export class TextOfTokens {
  readonly #tokens: number[];
  #context = 0;
  #told: number;

  /** @param before what the text continues, such as a prompt; its own text is not given. */
  constructor(
    private readonly tokenizer: Tokenizer,
    before: readonly number[] = [],
  ) {
    // A few tokens are enough to tell how a text goes on, and cheap to decode again and again.
    this.#tokens = before.slice(-8);
    this.#told = this.#tokens.length;
  }

  /** Adds a token. @returns the text that is whole by now; often ''. */
  push(token: number): string {
    this.#tokens.push(token);
    const { known, whole } = this.#decode();
    // The replacement character stands for bytes that are not complete yet.
    if (whole.length <= known.length || whole.endsWith('\ufffd')) return '';
    [this.#context, this.#told] = [this.#told, this.#tokens.length];
    return whole.slice(known.length);
  }

  /** What was held back, as it is. */
  end(): string {
    const { known, whole } = this.#decode();
    this.#told = this.#tokens.length;
    return whole.slice(known.length);
  }

  #decode(): { known: string; whole: string } {
    const decode = (end: number) =>
      this.tokenizer.decode(this.#tokens.slice(this.#context, end), { skipSpecial: true });
    const whole = decode(this.#tokens.length);
    const known = decode(this.#told);
    return { known: whole.startsWith(known) ? known : '', whole };
  }
}

/** Cuts a stream of text at the first of some texts. What could be the beginning of one is held back. */
export class StopTexts {
  #held = '';

  /** @throws InputError for an empty text, which would end every generation at once. */
  constructor(private readonly stops: readonly string[]) {
    if (stops.includes('')) throw new InputError('a stop string is empty', { fix: 'give at least one character' });
  }

  /** @returns what may be shown, and whether a stop text was found behind it. */
  push(text: string): { readonly text: string; readonly stopped: boolean } {
    this.#held += text;
    const found = this.stops.map((stop) => this.#held.indexOf(stop)).filter((index) => index >= 0);
    if (found.length > 0) return { text: this.#take(Math.min(...found)), stopped: true };
    let kept = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, this.#held.length); length > kept; length--) {
        if (this.#held.endsWith(stop.slice(0, length))) kept = length;
      }
    }
    return { text: this.#take(this.#held.length - kept), stopped: false };
  }

  /** What was held back. */
  end(): string {
    return this.#take(this.#held.length);
  }

  #take(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }
}

/**
 * Continues a text, piece by piece: `for await (const piece of generateText(…)) process.stdout.write(piece)`.
 *
 * @param prompt a text, encoded as the model was trained (an empty one starts from the beginning-of-text token), or tokens.
 * @returns all new tokens, those of a stop string included.
 * @throws InputError as `generateTokens` does, for an empty prompt where there is no beginning-of-text token, and for an empty
 * stop string.
 */
export async function* generateText(
  model: LlamaModel,
  tokenizer: Tokenizer,
  prompt: string | readonly number[],
  { stop = [], onToken, ...options }: GenerateTextOptions = {},
): AsyncGenerator<string, number[], undefined> {
  const before = typeof prompt === 'string' ? encodePrompt(tokenizer, prompt) : prompt;
  const [text, stops] = [new TextOfTokens(tokenizer, before), new StopTexts(stop)];
  const tokens: number[] = [];
  for await (const token of generateTokens(model, before, options)) {
    tokens.push(token);
    onToken?.(token);
    const { text: piece, stopped } = stops.push(text.push(token));
    if (piece !== '') yield piece;
    if (stopped) return tokens;
  }
  const { text: piece, stopped } = stops.push(text.end());
  const rest = stopped ? piece : piece + stops.end();
  if (rest !== '') yield rest;
  return tokens;
}

/**
 * The tokens of a text to continue: with the beginning-of-text token where the model was trained with it, or there is nothing else.
 *
 * @throws InputError for an empty text where there is no such token.
 */
export function encodePrompt(tokenizer: Tokenizer, prompt: string): number[] {
  const tokens = tokenizer.encode(prompt, { bos: tokenizer.addsBos || prompt === '' });
  if (tokens.length === 0) {
    throw new InputError('the prompt is empty and the model has no beginning-of-text token', {
      code: 'prompt.empty',
      fix: 'give a text',
    });
  }
  return tokens;
}
