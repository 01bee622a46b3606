// Ours beside llama.cpp's, after a build of the packages: npm run -s example -- reference/llama-cpp/compare.mjs MODEL.gguf OUT…
// OUT.json and OUT.f32 come from theirs.mjs or theirs.py. Every OUT after the first is set beside the first too: llama.cpp beside itself.
// MODEL may be another file of the same values than theirs was. Prints one JSON document.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { openDevice } from '@crossgate/gpu/node';
import { LlamaModel, packSequences } from '@crossgate/llm';
import { openModel } from '@crossgate/llm/node';

/** How far the log-probabilities of one program are from those of another, over positions. */
class Agreement {
  #positions = 0;
  #agreed = 0;
  #divergence = 0;
  #largest = 0;
  #likely = 0;

  /** One position: `reference` is what the divergence is from. */
  add(reference, other) {
    let [best, otherBest] = [0, 0];
    for (let token = 0; token < reference.length; token++) {
      const difference = reference[token] - other[token];
      // Beyond e^-80 llama.cpp's own probabilities in f32 end.
      if (reference[token] > -80 && other[token] > Number.NEGATIVE_INFINITY) {
        this.#largest = Math.max(this.#largest, Math.abs(difference));
        this.#divergence += Math.exp(reference[token]) * difference;
      }
      if (reference[token] > Math.log(1e-3)) this.#likely = Math.max(this.#likely, Math.abs(difference));
      if (reference[token] > reference[best]) best = token;
      if (other[token] > other[otherBest]) otherBest = token;
    }
    this.#positions++;
    if (best === otherBest) this.#agreed++;
  }

  figures() {
    return {
      positions: this.#positions,
      top1: this.#agreed / this.#positions,
      meanKl: this.#divergence / this.#positions,
      maxLogProbability: this.#largest,
      maxLogProbabilityAbove1e3: this.#likely,
    };
  }
}

function logProbabilities(logits) {
  const greatest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const normalizer = greatest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - greatest), 0));
  return Float64Array.from(logits, (logit) => logit - normalizer);
}

const [path, ...names] = process.argv.slice(2);
const opened = await openModel(path);
const tokenizer = await opened.tokenizer();
const types = {};
for (const { dtype } of opened.source.tensors.values()) types[dtype] = (types[dtype] ?? 0) + 1;
const outputs = names.map((name) => ({
  ...JSON.parse(readFileSync(`${name}.json`, 'utf8')),
  file: openSync(`${name}.f32`, 'r'),
  ours: new Agreement(),
  first: new Agreement(),
}));
const [{ sequences, tokenized, vocabulary }] = outputs;
if (outputs.some((output) => JSON.stringify(output.sequences) !== JSON.stringify(sequences))) {
  throw new Error(`${names.join(', ')}: are of other texts`);
}
const wrong = tokenized.filter(({ text, tokens }) => tokenizer.encode(text).join() !== tokens.join());

const device = await openDevice();
const model = await LlamaModel.load(device, opened.source);
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
    const ours = logProbabilities(logits.subarray(position * vocabulary, (position + 1) * vocabulary));
    const rows = outputs.map(({ file }) => {
      const row = new Float32Array(vocabulary);
      readSync(file, new Uint8Array(row.buffer));
      return row;
    });
    for (const [index, output] of outputs.entries()) {
      output.ours.add(rows[index], ours);
      output.first.add(rows[0], rows[index]);
    }
  }
}
for (const { file } of outputs) closeSync(file);
console.log(
  JSON.stringify(
    {
      model: path.split('/').at(-1),
      types,
      adapter: device.capabilities.name,
      agreement: outputs.map(({ on, by, ours, first }, index) => ({
        with: on,
        by,
        ...ours.figures(),
        ...(index > 0 && { itself: { with: outputs[0].on, ...first.figures() } }),
      })),
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
