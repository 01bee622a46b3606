// llama.cpp's log-probabilities and tokens: cd reference/llama-cpp && npm install && node theirs.mjs MODEL.gguf OUT
// Writes OUT.json, and OUT.f32 with the log-probabilities of every position. Key/value cache in f32.
//   --texts N   only the first N texts
//   --vulkan    on the first Vulkan device instead of the CPU. There activations stay in f32, since integer products, halves and
//               matrix units are switched off; on the CPU they are rounded to 8 bits wherever weights are quantized
//               (but not in a build with BLAS: theirs.py).
//               Wants libvulkan.so.1 where the loader finds it (else LD_LIBRARY_PATH), and VK_DRIVER_FILES for lavapipe.
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { getLlama, getModuleVersion } from 'node-llama-cpp';
import { strings, texts } from './texts.mjs';

const { values, positionals } = parseArgs({
  options: { texts: { type: 'string', default: String(texts.length) }, vulkan: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [modelPath, out] = positionals;
const gpu = values.vulkan ? 'vulkan' : false;
if (gpu) {
  process.env.GGML_VK_VISIBLE_DEVICES ??= '0'; // Devices that are CPUs are only taken when named.
  for (const what of ['INTEGER_DOT_PRODUCT', 'F16', 'COOPMAT', 'COOPMAT2', 'BFLOAT16']) {
    process.env[`GGML_VK_DISABLE_${what}`] = '1';
  }
}
const llama = await getLlama({ gpu, build: 'never', logLevel: 'error' });
const model = await llama.loadModel({ modelPath, gpuLayers: gpu ? 'max' : 0 });
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
for (const text of texts.slice(0, Number(values.texts))) {
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
const by = `node-llama-cpp ${await getModuleVersion()}, llama.cpp ${llama.llamaCppRelease.release}`;
const on = gpu ? `Vulkan, ${(await llama.getGpuDeviceNames()).join()}, ${model.gpuLayers} layers` : 'CPU';
writeFileSync(`${out}.json`, JSON.stringify({ by, on, vocabulary, sequences, tokenized }));
await llama.dispose();
