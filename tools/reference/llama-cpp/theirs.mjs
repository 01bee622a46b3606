// llama.cpp's log-probabilities and tokens: cd tools/reference/llama-cpp && npm install && node theirs.mjs MODEL.gguf OUT [TEXTS]
// Writes OUT.json, and OUT.f32 with the log-probabilities of every position. On the CPU, key/value cache in f32.
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { getLlama, getModuleVersion } from 'node-llama-cpp';
import { strings, texts } from './texts.mjs';

const [modelPath, out, count = String(texts.length)] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({
  contextSize: 512,
  // One thread: its threads wait by spinning, which on a busy machine takes far longer than computing.
  threads: 1,
  flashAttention: false,
  experimentalKvCacheKeyType: 'F32',
  experimentalKvCacheValueType: 'F32',
});
const sequence = context.getSequence();
const file = openSync(`${out}.f32`, 'w');
const sequences = [];
let vocabulary = 0;
for (const text of texts.slice(0, Number(count))) {
  const tokens = model.tokenize(text);
  if (model.tokens.shouldPrependBosToken) tokens.unshift(model.tokens.bos);
  await sequence.clearHistory();
  const results = await sequence.controlledEvaluate(
    tokens.map((token) => [token, { generateNext: { probabilities: true } }]),
  );
  for (const { next } of results) {
    vocabulary = next.probabilities.size;
    const logarithms = new Float32Array(vocabulary);
    let sum = 0;
    for (const probability of next.probabilities.values()) sum += probability;
    for (const [token, probability] of next.probabilities) logarithms[token] = Math.log(probability / sum);
    writeSync(file, new Uint8Array(logarithms.buffer));
  }
  sequences.push(tokens);
}
closeSync(file);
const tokenized = strings(2000).map((text) => ({ text, tokens: [...model.tokenize(text)] }));
writeFileSync(
  `${out}.json`,
  JSON.stringify({ by: `node-llama-cpp ${await getModuleVersion()}`, vocabulary, sequences, tokenized }),
);
await llama.dispose();
