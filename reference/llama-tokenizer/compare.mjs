// LLaMA's 32,000 pieces: ours beside llama-tokenizer-js on 2,000 strings. After a build of the packages:
// cd reference/llama-tokenizer && npm install && node compare.mjs
// Ours is built from pieces and scores, as tokenizer.model holds them, and finds merges by itself; theirs has Hugging
// Face's list of merges. The scores are not in theirs: a piece scores less the later the first merge that makes it
// stands in the list.

import { memoryFolder, tokenizerFromFolder } from '@crossgate/llm';
import theirs from 'llama-tokenizer-js';
import { strings, texts } from '../llama-cpp/texts.mjs';

const pieces = theirs.vocabById;
const typeOf = (id) => (id === 0 ? 2 : id <= 2 ? 3 : id <= 258 ? 6 : 1);
const scores = new Float32Array(pieces.length);
const ids = new Map(pieces.map((piece, id) => [piece, id]));
for (const [pair, rank] of theirs.merges) {
  const id = ids.get(pair.replace(' ', ''));
  if (id !== undefined) scores[id] = scores[id] === 0 ? -1 - rank : Math.max(scores[id], -1 - rank);
}

/** A field of protocol buffers: a whole number, or bytes behind their length. */
function field(number, value) {
  if (typeof value === 'number') return Buffer.from([...varint(number << 3), ...varint(value)]);
  return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(value.length)]), value]);
}
function varint(value) {
  const low = value & 127;
  return value < 128 ? [low] : [low | 128, ...varint(value >>> 7)];
}
function piece(id) {
  const score = Buffer.alloc(5, (2 << 3) | 5);
  score.writeFloatLE(scores[id], 1);
  return field(1, Buffer.concat([field(1, Buffer.from(pieces[id])), score, field(3, typeOf(id))]));
}
// Byte-pair encoding; extra spaces stay. The ids of <unk>, <s> and </s> are those that a file need not give.
const kind = [field(2, field(3, 2)), field(3, field(4, 0))];
const model = Buffer.concat([...pieces.map((_, id) => piece(id)), ...kind]);
const ours = await tokenizerFromFolder(memoryFolder('LLaMA', new Map([['tokenizer.model', model]])));
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
