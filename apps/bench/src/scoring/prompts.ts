/** Invented titles and a tokenizer for models that come without one: prompts of realistic lengths. */
import type { Tokenizer } from '@crossgate/llm';
import { RandomStream } from '@crossgate/tensor';

const first = ['The Silver', 'A Quiet', 'Last', 'The Return of the', 'Midnight', 'Broken', 'The Second', 'Northern'];
const second = ['Harbor', 'Orchard', 'Letters from the Coast', 'Machine', 'Summer', 'Detective', 'River', 'Gardeners'];

/** Titles of dense ids 1 to `count`; index 0 is padding. */
export function inventedTitles(count: number, seed: number): string[] {
  const random = new RandomStream(seed, 'titles');
  const pick = (words: readonly string[]) => words[Math.floor(words.length * random.uniform())]!;
  return [
    '',
    ...Array.from({ length: count }, (_, i) => `${pick(first)} ${pick(second)} ${i + 1} (${1950 + (i % 50)})`),
  ];
}

/** Two characters a token, by hash: the density of small vocabularies. Token 1 begins a text; Yes is 2 and No is 3. */
export function pairTokenizer(vocabSize: number): Tokenizer {
  const encode = (text: string): number[] => {
    if (text === ' Yes') return [2];
    if (text === ' No') return [3];
    return (text.match(/.{1,2}/gs) ?? []).map((pair) => {
      const code = 256 * pair.charCodeAt(0) + (pair.length > 1 ? pair.charCodeAt(1) : 0);
      return 4 + (((code * 2654435761) % 4294967296) % (vocabSize - 4));
    });
  };
  return {
    vocabSize,
    bosTokenId: 1,
    eosTokenIds: [],
    addsBos: true,
    encode: (text, { bos = false } = {}) => (bos ? [1, ...encode(text)] : encode(text)),
    decode: (ids) => ids.join(' '),
    pieces: (ids) => ids.map(String),
    tokenToId: () => undefined,
    has: (id) => id < vocabSize,
    controlTokensIn: () => [],
  };
}
