// Text as it is generated: whole characters, up to a stop string.
import { InputError } from '@crossgate/gpu';
import type { Tokenizer } from '../tokenizer';
import { type GenerateOptions, generateTokens } from './generate';
import type { LlamaModel } from './llama';

/** How a text is continued. */
export interface GenerateTextOptions extends Omit<GenerateOptions, 'tokenizer'> {
  /** Texts that end the generation; they are not part of the result. */
  readonly stop?: readonly string[];
  /** Whether control tokens that a prompt spells, such as `<|im_start|>`, are read as tokens. Default false. */
  readonly control?: boolean;
}

/**
 * Text of tokens that come one by one. A character whose bytes are spread over several tokens is held back until it is
 * whole. Each piece is decoded together with the one before it, because a text loses its first space when it is decoded
 * alone.
 */
export class TextOfTokens {
  readonly #tokens: number[];
  #context = 0;
  #told: number;

  /** @param before tokens that the text continues, such as a prompt; their own text is not returned. */
  constructor(
    private readonly tokenizer: Tokenizer,
    before: readonly number[] = [],
  ) {
    // A few tokens are enough to continue a text correctly, and cheap to decode repeatedly.
    this.#tokens = before.slice(-8);
    this.#told = this.#tokens.length;
  }

  /** Adds a token. @returns the text that is complete by now; often empty. */
  push(token: number): string {
    this.#tokens.push(token);
    const { known, whole } = this.#decode();
    // The replacement character stands for bytes that are not complete yet.
    if (whole.length <= known.length || whole.endsWith('\ufffd')) return '';
    [this.#context, this.#told] = [this.#told, this.#tokens.length];
    return whole.slice(known.length);
  }

  /** The text that is still held back; incomplete characters become U+FFFD. */
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

/** Cuts a stream of text at the first of several strings. Text that could begin one of them is held back. */
export class StopTexts {
  #held = '';

  /** @throws InputError for an empty string, which would end every generation at once. */
  constructor(private readonly stops: readonly string[]) {
    if (stops.includes('')) throw new InputError('a stop string is empty', { fix: 'give at least one character' });
  }

  /** Adds text. @returns the text that is certain by now, and whether a stop string follows it. */
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

  /** The text that is still held back. */
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
 * @param prompt a text, or its tokens. A text is encoded as the model was trained; an empty one becomes the
 * beginning-of-text token.
 * @returns all new tokens, those of a stop string included.
 * @throws InputError as `generateTokens` does, for an empty prompt without a beginning-of-text token, and for an empty
 * stop string.
 */
export async function* generateText(
  model: LlamaModel,
  tokenizer: Tokenizer,
  prompt: string | readonly number[],
  { stop = [], control = false, onToken, ...options }: GenerateTextOptions = {},
): AsyncGenerator<string, number[], undefined> {
  const before = typeof prompt === 'string' ? encodePrompt(tokenizer, prompt, control) : prompt;
  const [text, stops] = [new TextOfTokens(tokenizer, before), new StopTexts(stop)];
  const tokens: number[] = [];
  for await (const token of generateTokens(model, before, { ...options, tokenizer })) {
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
 * The tokens of a text to continue. They begin with the beginning-of-text token if the model was trained with it, or if
 * the text is empty.
 *
 * @param control whether control tokens that the text spells are read as tokens
 * @throws InputError for an empty text where there is no such token.
 */
export function encodePrompt(tokenizer: Tokenizer, prompt: string, control = false): number[] {
  const tokens = tokenizer.encode(prompt, { bos: tokenizer.addsBos || prompt === '', control });
  if (tokens.length === 0) {
    throw new InputError('the prompt is empty and the model has no beginning-of-text token', {
      code: 'prompt.empty',
      fix: 'give a text',
    });
  }
  return tokens;
}
