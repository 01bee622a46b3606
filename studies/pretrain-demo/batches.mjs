// Texts as packed batches, in which every position is a mixture of tokens.
/**
 * @typedef {import('@crossgate/tensor').RandomStream} RandomStream
 * @typedef {import('@crossgate/llm').Tokenizer} Tokenizer
 * @typedef {(random: RandomStream) => import('./corpus.mjs').Part[]} Maker
 * @typedef {object} Batch
 * @property {Uint32Array} tokens all texts, one behind the other, without what lies over them
 * @property {Float32Array} mixture [tokens.length, vocabSize]: how much of each token's embedding a position holds
 * @property {number[]} lengths tokens of each text
 * @property {number[]} answers positions whose next token is an answer
 * @property {number[]} chances of each answer's being Yes
 * @property {number[]} others all other positions that have a next token
 */

/**
 * Makes batches; remembers the tokens of every part it has seen.
 * @param {Tokenizer} tokenizer @param {number} vocabSize
 */
export function batchMaker(tokenizer, vocabSize) {
  /** @type {Map<string, number[]>} */
  const known = new Map();
  // Each part is tokenised alone, as the segments of a hybrid prompt are.
  const tokensOf = (/** @type {string} */ text, first = false) => {
    const key = `${first}${text}`;
    const ids = known.get(key) ?? tokenizer.encode(text, { bos: first, dummyPrefix: first });
    known.set(key, ids);
    return ids;
  };
  const tokenOf = (/** @type {string} */ text) => {
    const [id, ...rest] = tokensOf(text);
    if (id === undefined || rest.length > 0) throw new Error(`"${text}" is not one token`);
    return id;
  };
  /** One text from each maker. @param {RandomStream} random @param {readonly Maker[]} makers @returns {Batch} */
  return (random, makers) => {
    /** @type {number[]} */
    const tokens = [];
    /** Position, token, how much of it. @type {[number, number, number][]} */
    const weights = [];
    /** @type {Pick<Batch, 'lengths' | 'answers' | 'chances' | 'others'>} */
    const batch = { lengths: [], answers: [], chances: [], others: [] };
    for (const make of makers) {
      const start = tokens.length;
      for (const [index, { text, chance, strength = 1, with: over = [] }] of make(random).entries()) {
        const first = tokens.length;
        for (const { text: above, strength: much } of over) weights.push([first, tokenOf(above), much]);
        for (const id of tokensOf(text, index === 0)) {
          if (tokens.length > start) (chance === undefined ? batch.others : batch.answers).push(tokens.length - 1);
          weights.push([tokens.length, id, tokens.length === first ? strength : 1]);
          tokens.push(id);
        }
        if (chance !== undefined) batch.chances.push(chance);
      }
      batch.lengths.push(tokens.length - start);
    }
    const mixture = new Float32Array(tokens.length * vocabSize);
    for (const [position, id, much] of weights) {
      const at = position * vocabSize + id;
      mixture[at] = (mixture[at] ?? 0) + much;
    }
    return { ...batch, tokens: Uint32Array.from(tokens), mixture };
  };
}
