// Draws against the distribution that temperature, top-k and top-p define, and text cut where it should be.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SamplingOptions, StopTexts, sampleToken, TextOfTokens, type Tokenizer } from '../src';

/** Probabilities by definition: the slow way. */
function distribution(logits: readonly number[], { temperature = 1, topK = logits.length, topP = 1 }: SamplingOptions) {
  const weights = logits.map((logit) => Math.exp((logit - Math.max(...logits)) / temperature));
  const order = [...logits.keys()].sort((a, b) => weights[b]! - weights[a]! || a - b).slice(0, topK);
  const total = order.reduce((sum, token) => sum + weights[token]!, 0);
  const kept: number[] = [];
  for (const token of order) {
    if (kept.length > 0 && kept.reduce((sum, t) => sum + weights[t]!, 0) >= topP * total) break;
    kept.push(token);
  }
  const mass = kept.reduce((sum, token) => sum + weights[token]!, 0);
  return logits.map((_, token) => (kept.includes(token) ? weights[token]! / mass : 0));
}

describe('sampleToken', () => {
  const options = fc.record({
    temperature: fc.constantFrom(0.3, 1, 2),
    topK: fc.constantFrom(undefined, 1, 2, 3, 100),
    topP: fc.constantFrom(0.1, 0.5, 0.9, 1),
  });
  const logitsOf = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 9 });

  it('splits [0, 1) among the tokens by their probabilities', () => {
    fc.assert(
      fc.property(logitsOf, options, (logits, { topK, ...rest }) => {
        const chosen = topK === undefined ? rest : { ...rest, topK };
        const expected = distribution(logits, chosen);
        const draws = 500;
        const counts = new Array<number>(logits.length).fill(0);
        for (let i = 0; i < draws; i++) counts[sampleToken(logits, chosen, (i + 0.5) / draws)]!++;
        // Each token owns one interval, so an even grid counts it to within one draw.
        const misses = expected.filter((probability, token) => {
          const allowed = probability === 0 ? 0 : 1.01;
          return Math.abs(counts[token]! - draws * probability) > allowed;
        });
        expect(misses).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it('takes the likeliest at temperature 0, the lower id of equals', () => {
    expect(sampleToken([1, 5, 5, 2], {}, 0.99)).toBe(1);
    expect(sampleToken([1, 5, 5, 2], { temperature: 1, topK: 1 }, 0.99)).toBe(1);
  });

  it('refuses options out of range and broken logits', () => {
    for (const [wrong, message] of [
      [{ temperature: -1 }, 'temperature is -1'],
      [{ temperature: Number.NaN }, 'temperature is NaN'],
      [{ topK: 1.5 }, 'topK is 1.5'],
      [{ topP: 0 }, 'topP is 0'],
      [{ topP: 1.1 }, 'topP is 1.1'],
    ] as const) {
      expect(() => sampleToken([1, 2], wrong, 0)).toThrow(message);
    }
    expect(() => sampleToken([Number.NaN, Number.NaN], { temperature: 1 }, 0)).toThrow('the greatest logit is NaN');
  });
});

describe('StopTexts', () => {
  it('gives everything before the first stop text, whatever the pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
    const stopsOf = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 }), {
      maxLength: 2,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), stopsOf, (pieces, stops) => {
        const stream = new StopTexts(stops);
        let shown = '';
        let stopped = false;
        for (const piece of pieces) {
          const result = stream.push(piece);
          shown += result.text;
          if (result.stopped) {
            stopped = true;
            break;
          }
        }
        if (!stopped) shown += stream.end();
        const whole = pieces.join('');
        const ends = stops.map((stop) => whole.indexOf(stop)).filter((index) => index >= 0);
        expect(stopped).toBe(ends.length > 0);
        // Found as early as its last character allows: a longer stop text may begin earlier and end later.
        if (ends.length === 0) expect(shown).toBe(whole);
        else {
          expect(whole.startsWith(shown)).toBe(true);
          expect(stops.some((stop) => whole.startsWith(stop, shown.length))).toBe(true);
        }
      }),
    );
    expect(() => new StopTexts(['x', ''])).toThrow('a stop string is empty');
  });

  it('shows at once what cannot begin a stop text', () => {
    const stream = new StopTexts(['\n\n', 'END']);
    expect(stream.push('one E')).toEqual({ text: 'one ', stopped: false });
    expect(stream.push('N')).toEqual({ text: '', stopped: false });
    expect(stream.push('ough')).toEqual({ text: 'ENough', stopped: false });
    expect(stream.push('\nx\n')).toEqual({ text: '\nx', stopped: false });
    expect(stream.push('\nrest')).toEqual({ text: '', stopped: true });
  });
});

describe('TextOfTokens', () => {
  /** One token per byte; the first space of a text is dropped, as SentencePiece does. */
  const bytes: Pick<Tokenizer, 'decode'> = {
    decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids)).replace(/^ /, ''),
  };

  it('gives whole characters, and the spaces of a continuation', () => {
    const encode = (text: string) => Array.from(new TextEncoder().encode(text));
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (before, text) => {
        fc.pre(!`${before}${text}`.includes('\ufffd') && !`${before}${text}`.startsWith('\ufeff'));
        const stream = new TextOfTokens(bytes as Tokenizer, encode(`x${before}`));
        const pieces = encode(text).map((token) => stream.push(token));
        expect(pieces.join('') + stream.end()).toBe(text);
        for (const piece of pieces) expect(piece).not.toContain('\ufffd');
      }),
    );
    const stream = new TextOfTokens(bytes as Tokenizer, encode('one'));
    expect(encode(' é').map((token) => stream.push(token))).toEqual([' ', '', 'é']);
  });

  it('gives what never became a character at the end', () => {
    const stream = new TextOfTokens(bytes as Tokenizer, [65]);
    expect(stream.push(0xc3)).toBe('');
    expect(stream.end()).toBe('\ufffd');
    expect(stream.end()).toBe('');
  });
});
