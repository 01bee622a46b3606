// What weights of 16, 8 and 4 bits cost a model:
// npm run -s example -- studies/quantized-weights/main.mjs MODEL [TEXT…]
// Perplexity on the texts (files), or without any on stories that the model tells itself in f16, and the distance to
// the f16 model's distributions. Prints one JSON document.
import { readFileSync } from 'node:fs';
import { openDevice } from '@crossgate/gpu/node';
import { generate, LlamaModel, packSequences, weightBytes } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';

/** @typedef {import('@crossgate/llm').WeightStorage} WeightStorage */

const [path, ...texts] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write('name a model folder or GGUF file\n');
  process.exit(2);
}
const chunkTokens = 256;
const mostChunks = texts.length > 0 ? 2 : 12;
/** @type {readonly WeightStorage[]} */
const storages = ['f16', 'int8', 'int4'];

const opened = await openModel(path);
const tokenizer = await opened.tokenizer();
const { config, tensors } = opened.source;
const bos = tokenizer.bosTokenId;
const vocabulary = Math.min(config.vocabSize, tokenizer.vocabSize);
if (bos === null) throw new Error(`${path}: the tokenizer has no token that begins a text`);
const device = await openDevice();

/** Sequences that are scored: texts in pieces, or stories. */
async function sequencesOf(/** @type {number} */ begin) {
  if (texts.length > 0) {
    const tokens = texts.flatMap((file) => tokenizer.encode(readFileSync(file, 'utf8'), { bos: tokenizer.addsBos }));
    const count = Math.min(mostChunks, Math.floor(tokens.length / chunkTokens));
    return Array.from({ length: count }, (_, i) => tokens.slice(i * chunkTokens, (i + 1) * chunkTokens));
  }
  const model = await LlamaModel.load(device, opened.source, { weights: 'f16' });
  const stories = [];
  for (let seed = 0; seed < mostChunks; seed++) {
    const options = { maxNewTokens: chunkTokens - 1, temperature: 1, seed };
    stories.push([begin, ...(await generate(model, [begin], options))]);
  }
  model.release();
  return stories;
}

/**
 * Log-probabilities of every position but the last: [positions, vocabulary].
 * @param {LlamaModel} model
 * @param {readonly number[]} tokens
 */
async function logProbabilities(model, tokens) {
  const step = device.step();
  const batch = packSequences(device, [tokens.length]);
  const rows = Uint32Array.from({ length: tokens.length - 1 }, (_, i) => i);
  const values = await model.logits(model.forward(model.embed(Uint32Array.from(tokens)), batch, rows)).read();
  step[Symbol.dispose]();
  for (let first = 0; first < values.length; first += config.vocabSize) {
    // Rows of the model beyond the tokens of its tokenizer are no outcomes.
    const row = values.subarray(first, first + vocabulary);
    const greatest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const normalizer = greatest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - greatest), 0));
    for (let token = 0; token < row.length; token++) row[token] = (row[token] ?? 0) - normalizer;
  }
  return values;
}

const likeliest = (/** @type {Float32Array} */ row) =>
  row.reduce((best, value, token) => (value > (row[best] ?? 0) ? token : best), 0);
const sequences = await sequencesOf(bos);
const positions = sequences.reduce((sum, { length }) => sum + length - 1, 0);
/** Of the f16 model, by sequence. @type {Float32Array[]} */
const exact = [];
const rows = [];
for (const weights of storages) {
  const model = await LlamaModel.load(device, opened.source, { weights });
  let [loss, divergence, agreed] = [0, 0, 0];
  for (const [index, tokens] of sequences.entries()) {
    const values = await logProbabilities(model, tokens);
    const reference = exact[index] ?? values;
    exact[index] = reference;
    for (let position = 0; position < tokens.length - 1; position++) {
      const range = /** @type {const} */ ([position * config.vocabSize, position * config.vocabSize + vocabulary]);
      const [ours, theirs] = [values.subarray(...range), reference.subarray(...range)];
      loss -= ours[tokens[position + 1] ?? 0] ?? 0;
      divergence += theirs.reduce((sum, value, token) => sum + Math.exp(value) * (value - (ours[token] ?? 0)), 0);
      if (likeliest(ours) === likeliest(theirs)) agreed++;
    }
  }
  rows.push({
    weights,
    deviceBytes: weightBytes(config, weights),
    perplexity: Math.exp(loss / positions),
    meanKl: divergence / positions,
    top1: agreed / positions,
  });
  model.release();
}
const stored = [...new Set([...tensors.values()].map(({ dtype }) => dtype))];
const text = texts.length > 0 ? texts : 'its own stories';
console.log(
  JSON.stringify(
    { model: path.split('/').at(-1), stored, adapter: device.capabilities.name, text, positions, rows },
    null,
    1,
  ),
);
await opened.close();
device.destroy();
