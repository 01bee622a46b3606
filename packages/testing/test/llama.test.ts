// The reference LLaMA: a real pretrained model's known text, and identities that any LLaMA keeps.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as op from '../src/index';
import { expectClose, randomNormal, reference } from '../src/index';

const config: op.ReferenceLlamaConfig = {
  vocabSize: 11,
  hiddenSize: 12,
  intermediateSize: 10,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 4,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 100,
  tieWordEmbeddings: false,
};
const weights = op.randomLlamaWeights(config, 1);
const tight = { relative: 1e-11, absolute: 1e-12 };

describe('a random LLaMA', () => {
  const tokens = [3, 1, 4, 1, 5, 9, 2];

  it('gives packed sequences what each alone gets', () => {
    const packed = op.referenceLlama(config, weights, { tokens, offsets: [0, 3, 7] });
    const first = op.referenceLlama(config, weights, { tokens: tokens.slice(0, 3) });
    const second = op.referenceLlama(config, weights, { tokens: tokens.slice(3) });
    expectClose(packed.hidden.data, [...first.hidden.data, ...second.hidden.data], tight);
    expectClose(packed.logits.data, [...first.logits.data, ...second.logits.data], tight);
    expect(packed.logits.shape).toEqual([2, 11]);
  });

  it('is causal and depends on the order', () => {
    const before = op.referenceLlama(config, weights, { tokens }).hidden.data;
    const after = op.referenceLlama(config, weights, { tokens: [...tokens.slice(0, 6), 7] }).hidden.data;
    expect(after.slice(0, 6 * 12)).toEqual(before.slice(0, 6 * 12));
    expect(op.maxAbsoluteDifference(after.slice(72), before.slice(72))).toBeGreaterThan(0.01);
    const swapped = op.referenceLlama(config, weights, { tokens: [1, 3, ...tokens.slice(2)] }).hidden.data;
    expect(op.maxAbsoluteDifference(swapped.slice(72), before.slice(72))).toBeGreaterThan(1e-3);
  });

  it('takes embeddings in place of tokens, and gives the positions asked for', () => {
    const embeddings = op.gatherRows(weights.get('model.embed_tokens.weight')!, tokens);
    const all = op.referenceLlama(config, weights, { embeddings, logitPositions: [6, 0, 1, 2, 3, 4, 5] });
    expectClose(all.logits.data.subarray(0, 11), op.referenceLlama(config, weights, { tokens }).logits.data, tight);
    const head = op.linear(all.hidden, weights.get('lm_head.weight')!);
    expectClose(all.logits.data.subarray(11, 22), head.data.subarray(0, 11), tight);
    expect(() => op.referenceLlama(config, weights, { tokens, embeddings })).toThrow('either tokens or embeddings');
  });

  it('ties the head to the embeddings', () => {
    const tied = new Map(weights).set('lm_head.weight', weights.get('model.embed_tokens.weight')!);
    const expected = op.referenceLlama(config, tied, { tokens }).logits;
    tied.delete('lm_head.weight');
    expectClose(op.referenceLlama({ ...config, tieWordEmbeddings: true }, tied, { tokens }).logits, expected, tight);
    expect(() => op.referenceLlama(config, tied, { tokens })).toThrow('no weight lm_head.weight');
  });

  it('LoRA equals the merged weight, in every projection', () => {
    const base = op.referenceLlama(config, weights, { tokens }).logits;
    for (const [name, [outputs, inputs]] of op.llamaWeightShapes(config)) {
      if (!name.includes('_proj')) continue;
      const a = randomNormal([3, inputs!], 5);
      const b = randomNormal([outputs!, 3], 6, 0.3);
      const lora = new Map([[name.replace('.weight', ''), { a, b, scale: 0.5 }]]);
      const merged = new Map(weights);
      merged.set(name, op.add(weights.get(name)!, op.scale(op.matmul(b, a), 0.5)));
      const adapted = op.referenceLlama(config, weights, { tokens, lora }).logits;
      expectClose(adapted, op.referenceLlama(config, merged, { tokens }).logits, tight);
      expect(op.maxAbsoluteDifference(adapted, base)).toBeGreaterThan(1e-3);
    }
  });
});

const models = process.env.CROSSGATE_MODELS;
const folder = models ? join(models, 'stories260K', 'hf') : '';
const absent = !existsSync(join(folder, 'model.safetensors'));

it.skipIf(absent)(`continues BOS with stories260K's known text${absent ? ' (set CROSSGATE_MODELS)' : ''}`, () => {
  const bytes = readFileSync(join(folder, 'model.safetensors'));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >;
  const stored = new Map<string, op.Reference>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    stored.set(
      name,
      reference(entry.shape, (i) => bytes.readFloatLE(8 + headerLength + entry.data_offsets[0] + 4 * i)),
    );
  }
  const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const pieces = new Map(Object.entries(model.vocab).map(([piece, id]) => [id, piece]));
  const stories: op.ReferenceLlamaConfig = {
    vocabSize: 512,
    hiddenSize: 64,
    intermediateSize: 172,
    layers: 5,
    heads: 8,
    keyValueHeads: 4,
    headDim: 8,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10000,
    tieWordEmbeddings: true,
  };
  const known = 'Once upon a time, there was a little girl named Lily. She loved to play outside in the park.';
  const tokens = [1];
  let text = '';
  while (text.length < known.length && tokens.length < 80) {
    const { logits } = op.referenceLlama(stories, stored, { tokens });
    const next = op.topK(logits, 1).indices[0]!;
    tokens.push(next);
    text = tokens
      .slice(1)
      .map((id) => pieces.get(id)!)
      .join('')
      .replaceAll('▁', ' ')
      .trimStart();
  }
  expect(text.slice(0, known.length)).toBe(known);
});
