// Ours beside llama.cpp's, after a build of the packages: npm run -s example -- tools/reference/llama-cpp/compare.mjs MODEL.gguf OUT
// OUT.json and OUT.f32 come from theirs.mjs. Prints one JSON document.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { openDevice } from '../../../packages/gpu/dist/node.js';
import { LlamaModel, packSequences } from '../../../packages/llm/dist/index.js';
import { openModel } from '../../../packages/llm/dist/node.js';

const [path, out] = process.argv.slice(2);
const { by, vocabulary, sequences, tokenized } = JSON.parse(readFileSync(`${out}.json`, 'utf8'));
const opened = await openModel(path);
const tokenizer = await opened.tokenizer();
const wrong = tokenized.filter(({ text, tokens }) => tokenizer.encode(text).join() !== tokens.join());

const device = await openDevice();
const model = await LlamaModel.load(device, opened.source);
const file = openSync(`${out}.f32`, 'r');
const row = new Float32Array(vocabulary);
let [positions, agreed, divergence, largest, likely] = [0, 0, 0, 0, 0];
for (const tokens of sequences) {
  const step = device.step();
  const batch = packSequences(device, [tokens.length]);
  const hidden = model.forward(
    model.embed(Uint32Array.from(tokens)),
    batch,
    Uint32Array.from(tokens, (_, i) => i),
  );
  const logits = await model.logits(hidden).read();
  step[Symbol.dispose]();
  for (let position = 0; position < tokens.length; position++) {
    readSync(file, new Uint8Array(row.buffer));
    const ours = logits.subarray(position * vocabulary, (position + 1) * vocabulary);
    const greatest = ours.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const normalizer = greatest + Math.log(ours.reduce((sum, logit) => sum + Math.exp(logit - greatest), 0));
    let [best, theirBest] = [0, 0];
    for (let token = 0; token < vocabulary; token++) {
      const difference = Math.abs(ours[token] - normalizer - row[token]);
      // Beyond e^-80 llama.cpp's own probabilities in f32 end.
      if (row[token] > -80) largest = Math.max(largest, difference);
      if (row[token] > Math.log(1e-3)) likely = Math.max(likely, difference);
      if (row[token] > -80) divergence += Math.exp(row[token]) * (row[token] - (ours[token] - normalizer));
      if (ours[token] > ours[best]) best = token;
      if (row[token] > row[theirBest]) theirBest = token;
    }
    positions++;
    if (best === theirBest) agreed++;
  }
}
closeSync(file);
console.log(
  JSON.stringify(
    {
      model: path.split('/').at(-1),
      by,
      adapter: device.capabilities.name,
      positions,
      top1: agreed / positions,
      meanKl: divergence / positions,
      maxLogProbability: largest,
      maxLogProbabilityAbove1e3: likely,
      strings: tokenized.length,
      tokenizedDifferently: wrong.length,
      examples: wrong.slice(0, 3).map(({ text, tokens }) => ({ text, theirs: tokens, ours: tokenizer.encode(text) })),
    },
    null,
    1,
  ),
);
await opened.close();
device.destroy();
