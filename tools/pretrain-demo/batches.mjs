// Texts as packed batches of tokens.
/**
 * @typedef {import('@crossgate/tensor').RandomStream} RandomStream
 * @typedef {import('@crossgate/llm').Tokenizer} Tokenizer
 * @typedef {(random: RandomStream) => import('./corpus.mjs').Part[]} Maker
 * @typedef {object} Batch
 * @property {Uint32Array} tokens all texts, one behind the other
 * @property {Uint32Array[]} over tokens that lie over these, the first, the second, the third; where there is none, `mask` is 0
 * @property {Float32Array[]} masks 1 where a token lies over another
 * @property {number[]} lengths tokens of each text
 * @property {number[]} answers positions whose next token is an answer
 * @property {number[]} others all other positions that have a next token
 */

/**
 * Makes batches; remembers the tokens of every part it has seen.
 * @param {Tokenizer} tokenizer
 */
export function batchMaker(tokenizer) {
  /** @type {Map<string, number[]>} */
  const known = new Map();
  // Each part is tokenised alone, as the segments of a hybrid prompt are.
  const tokensOf = (/** @type {string} */ text, /** @type {boolean} */ first) => {
    const key = `${first}${text}`;
    const ids = known.get(key) ?? tokenizer.encode(text, { bos: first, dummyPrefix: first });
    known.set(key, ids);
    return ids;
  };
  /** One text from each maker. @param {RandomStream} random @param {readonly Maker[]} makers @returns {Batch} */
  return (random, makers) => {
    /** @type {number[]} */
    const tokens = [];
    /** Tokens over those of `tokens`, by position. @type {number[][]} */
    const above = [];
    /** @type {Pick<Batch, 'lengths' | 'answers' | 'others'>} */
    const batch = { lengths: [], answers: [], others: [] };
    for (const make of makers) {
      const start = tokens.length;
      for (const [index, { text, kind, with: over = [] }] of make(random).entries()) {
        above[tokens.length] = over.flatMap((word) => tokensOf(` ${word}`, false));
        for (const id of tokensOf(index === 0 ? text.trimStart() : text, index === 0)) {
          if (tokens.length > start) (kind === 'answer' ? batch.answers : batch.others).push(tokens.length - 1);
          tokens.push(id);
        }
      }
      batch.lengths.push(tokens.length - start);
    }
    const layers = [0, 1, 2].map((layer) => Array.from(tokens, (_, position) => above[position]?.[layer]));
    return {
      ...batch,
      tokens: Uint32Array.from(tokens),
      over: layers.map((layer) => Uint32Array.from(layer, (id) => id ?? 0)),
      masks: layers.map((layer) => Float32Array.from(layer, (id) => (id === undefined ? 0 : 1))),
    };
  };
}
