// LLaMA's 32,000 pieces: ours beside llama-tokenizer-js on 2,000 strings. After a build of the packages:
// cd tools/reference/llama-tokenizer && npm install && node compare.mjs
// Ours is built from pieces and scores, as a GGUF file holds them, and finds merges by itself; theirs has Hugging Face's list
// of merges. The scores are not in theirs: a piece scores less the later the first merge that makes it stands in the list.
import theirs from 'llama-tokenizer-js';
import { tokenizerFromGguf } from '../../../packages/llm/dist/index.js';
import { strings, texts } from '../llama-cpp/texts.mjs';

const pieces = theirs.vocabById;
const typeOf = (id) => (id === 0 ? 2 : id <= 2 ? 3 : id <= 258 ? 6 : 1);
const scores = new Float32Array(pieces.length);
const ids = new Map(pieces.map((piece, id) => [piece, id]));
for (const [pair, rank] of theirs.merges) {
  const id = ids.get(pair.replace(' ', ''));
  if (id !== undefined) scores[id] = scores[id] === 0 ? -1 - rank : Math.max(scores[id], -1 - rank);
}
const metadata = new Map([
  ['tokenizer.ggml.model', 'llama'],
  ['tokenizer.ggml.tokens', [...pieces]],
  ['tokenizer.ggml.scores', scores],
  ['tokenizer.ggml.token_type', Int32Array.from(pieces, (_, id) => typeOf(id))],
  ['tokenizer.ggml.bos_token_id', 1],
  ['tokenizer.ggml.eos_token_id', 2],
  ['tokenizer.ggml.unknown_token_id', 0],
]);
const ours = tokenizerFromGguf(metadata, 'LLaMA');
const all = [...texts, ...strings(2000)];
const different = all.filter((text) => ours.encode(text).join() !== theirs.encode(text, false, true).join());
const lost = all.filter((text) => ours.decode(ours.encode(text)) !== text);
const answers = ['Yes', 'No'].map((word) => [ours.tokenToId(`▁${word}`), ours.encode(word)]);
console.log(
  JSON.stringify({
    pieces: pieces.length,
    strings: all.length,
    different: different.length,
    lost: lost.length,
    answers,
  }),
);
for (const text of different.slice(0, 3)) {
  console.error(JSON.stringify(text), ours.encode(text).join(' '), '|', theirs.encode(text, false, true).join(' '));
}
process.exit(different.length === 0 ? 0 : 1);
