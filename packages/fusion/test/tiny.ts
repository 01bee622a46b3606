// A tiny whole system: model, tokenizer and data set, small enough for finite differences.
import { assembleDataset, type Dataset } from '@crossgate/data';
import type { Tokenizer } from '@crossgate/llm';
import type { ReferenceLlamaConfig } from '@crossgate/testing';
import { type HybridPrompt, kinds } from '../src';

export const tinyLlama: ReferenceLlamaConfig = {
  vocabSize: 40,
  hiddenSize: 16,
  intermediateSize: 24,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 4,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 10000,
  tieWordEmbeddings: true,
};

/** One token per word or mark; BOS is 1, Yes 2, No 3. Unknown words share tokens by hash. */
export const tinyTokenizer: Tokenizer = {
  vocabSize: 40,
  bosTokenId: 1,
  eosTokenIds: [0],
  addsBos: true,
  encode(text, { bos = false } = {}) {
    const words = text.match(/\w+|[^\w\s]/g) ?? [];
    const ids = words.map((word) => {
      if (word === 'Yes') return 2;
      if (word === 'No') return 3;
      let hash = 7;
      for (const char of word) hash = (hash * 31 + char.charCodeAt(0)) % 36;
      return 4 + hash;
    });
    return bos ? [1, ...ids] : ids;
  },
  decode: (ids) => ids.join(' '),
  pieces: (ids) => ids.map(String),
  tokenToId: () => undefined,
  has: (id) => id < 40,
  controlTokensIn: () => [],
};

/** Users who like items of their own parity; titles tell the parity of some. */
export async function tinyDataset(users = 12, items = 10, rowsPerUser = 14): Promise<Dataset> {
  const user: number[] = [];
  const item: number[] = [];
  const label: number[] = [];
  const timestamp: number[] = [];
  const split: number[] = [];
  for (let u = 0; u < users; u++) {
    for (let r = 0; r < rowsPerUser; r++) {
      const i = (u * 5 + r * 3) % items;
      user.push(u);
      item.push(i);
      label.push((u + i) % 2 === 0 ? 1 : 0);
      timestamp.push(1000 * u + r);
      split.push(r < rowsPerUser - 4 ? 0 : r < rowsPerUser - 2 ? 1 : 2);
    }
  }
  return assembleDataset({
    name: 'tiny',
    recipe: {},
    events: {
      user: Int32Array.from(user),
      item: Int32Array.from(item),
      label: Uint8Array.from(label),
      timestamp: Float64Array.from(timestamp),
      split: Uint8Array.from(split),
    },
    userId: (n: number) => `u${n}`,
    itemOf: (n: number) => ({ id: `i${n}`, title: `${n % 2 === 0 ? 'Calm' : 'Loud'} Story ${n}` }),
  });
}

/** Marks of a prompt: the items whose vectors title tokens carry, and the users at their positions; 0 elsewhere. */
export function marks({ kinds: numbers, entities }: HybridPrompt): { items: Int32Array; users: Int32Array } {
  const of = (kind: number) => entities.map((entity, i) => (numbers[i] === kind ? entity : 0));
  return { items: of(kinds.title), users: of(kinds.user) };
}

/** A prompt from its tokens and marks. */
export function promptOf(
  tokenIds: Int32Array,
  items: Int32Array,
  users: Int32Array,
  rest: Pick<HybridPrompt, 'userHistory'> = {},
): HybridPrompt {
  const numbers = Uint8Array.from(items, (item, i) =>
    item > 0 ? kinds.title : users[i]! > 0 ? kinds.user : kinds.text,
  );
  return { tokenIds, kinds: numbers, entities: items.map((item, i) => item || users[i]!), ...rest };
}
