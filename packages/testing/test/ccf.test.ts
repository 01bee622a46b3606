// CCF-LLM's value function: what each part must and must not depend on, and its pieces put together by hand.
import { describe, expect, it } from 'vitest';
import * as op from '../src/index';
import { ccfLossOf, expectClose, finiteDifference, referenceCcf, zeros } from '../src/index';

const llama: op.ReferenceLlamaConfig = {
  vocabSize: 23,
  hiddenSize: 16,
  intermediateSize: 20,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headDim: 4,
  rmsNormEpsilon: 1e-5,
  ropeTheta: 100,
  tieWordEmbeddings: true,
};
const model: op.CcfModel = { llama, weights: op.randomLlamaWeights(llama, 2), yesToken: 7, noToken: 9 };
const sizes: op.CcfSizes = { users: 3, items: 4, cfDim: 3, gateHidden: 5, loraRank: 2 };
const parameters = op.randomCcfParameters(llama, sizes, 3);

// Two prompts: text, history item 1 (two title tokens), user 2, target item 3 (one token), text; and a shorter one.
const batch: op.CcfBatch = {
  offsets: [0, 7, 11],
  tokenId: [1, 5, 6, 4, -1, 8, 2, 1, 6, -1, 2],
  itemId: [-1, -1, 1, 1, -1, 3, -1, -1, 2, -1, -1],
  userId: [-1, -1, -1, -1, 2, -1, -1, -1, -1, 1, -1],
  labels: [1, 0],
};

function largestDerivative(name: string, rows?: number[], chosen = parameters, of = model): number {
  const { shape, data } = chosen[name]!;
  const columns = shape[1] ?? 1;
  const indices = rows
    ? rows.flatMap((row) => Array.from({ length: columns }, (_, c) => row * columns + c))
    : Array.from({ length: Math.min(12, data.length) }, (_, n) =>
        Math.floor((n * data.length) / Math.min(12, data.length)),
      );
  return Math.max(...finiteDifference(ccfLossOf(of, chosen, batch, name), data, indices).map(Math.abs));
}

it('depends on every parameter', () => {
  expect(Object.keys(parameters)).toHaveLength(2 + 4 + 8 + 8);
  for (const name of Object.keys(parameters)) expect(largestDerivative(name), name).toBeGreaterThan(1e-6);
});

it('reads only the rows that the batch names', () => {
  expect(largestDerivative('encoder.user', [0])).toBe(0);
  expect(largestDerivative('encoder.item', [0])).toBe(0);
  for (const row of [1, 2]) expect(largestDerivative('encoder.user', [row])).toBeGreaterThan(1e-5);
  for (const row of [1, 2, 3]) expect(largestDerivative('encoder.item', [row])).toBeGreaterThan(1e-5);
});

it('composes eq. 2–4 position by position', () => {
  const { embeddings, aligned } = referenceCcf(model, parameters, batch);
  const p = (name: string) => parameters[name]!;
  const twoLayers = (x: op.Reference, name: string) =>
    op.linear(
      op.relu(op.linear(x, p(`${name}.hidden.weight`), p(`${name}.hidden.bias`))),
      p(`${name}.output.weight`),
      p(`${name}.output.bias`),
    );
  const table = model.weights.get('model.embed_tokens.weight')!;
  const item1 = twoLayers(op.gatherRows(p('encoder.item'), [1]), 'alg');
  const user2 = twoLayers(op.gatherRows(p('encoder.user'), [2]), 'alg');
  const token4 = op.gatherRows(table, [4]);
  const alpha = op.add(twoLayers(item1, 'gate.cf'), twoLayers(token4, 'gate.text'));
  const row = (position: number) => op.gatherRows(embeddings, [position]);
  expectClose(row(0), op.gatherRows(table, [1]));
  expectClose(row(3), op.add(token4, op.multiply(alpha, item1)), { relative: 1e-12 });
  expectClose(row(4), user2, { relative: 1e-12 });
  expectClose(op.gatherRows(aligned, [3 + 1]), item1, { relative: 1e-12 });
});

it('is the mean over prompts that do not see one another', () => {
  const { loss, rows, score } = referenceCcf(model, parameters, batch);
  const part = (start: number, end: number, label: number): op.CcfBatch => ({
    offsets: [0, end - start],
    tokenId: Array.from(batch.tokenId).slice(start, end),
    itemId: Array.from(batch.itemId).slice(start, end),
    userId: Array.from(batch.userId).slice(start, end),
    labels: [label],
  });
  const first = referenceCcf(model, parameters, part(0, 7, 1));
  const second = referenceCcf(model, parameters, part(7, 11, 0));
  expect(loss).toBeCloseTo((first.loss + second.loss) / 2, 12);
  expectClose(rows, [first.loss, second.loss], { relative: 1e-11 });
  expect(score.data.every((value) => value > 0 && value < 1)).toBe(true);
});

it('with a closed gate sees users but no items; with LoRA B at zero is the base model', () => {
  const closed = { ...parameters };
  for (const side of ['cf', 'text']) {
    for (const part of ['weight', 'bias']) {
      const name = `gate.${side}.output.${part}`;
      closed[name] = zeros(closed[name]!.shape);
    }
  }
  expect(largestDerivative('encoder.item', [1, 2, 3], closed)).toBe(0);
  expect(largestDerivative('encoder.user', [1, 2], closed)).toBeGreaterThan(1e-5);

  const base = Object.fromEntries(Object.entries(parameters).filter(([name]) => !name.includes('lora')));
  const zeroB = Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, name.includes('lora_B') ? zeros(value.shape) : value]),
  );
  expect(referenceCcf(model, zeroB, batch).loss).toBe(referenceCcf(model, base, batch).loss);
  expect(referenceCcf(model, parameters, batch).loss).not.toBeCloseTo(referenceCcf(model, base, batch).loss, 4);
});

describe('variants', () => {
  it('single-layer gate, gate of width 1, no gate', () => {
    const shapes = (change: Partial<op.CcfSizes>) => op.randomCcfParameters(llama, { ...sizes, ...change }, 3);
    const single = shapes({ gateHidden: null });
    expect(single['gate.cf.hidden.weight']).toBeUndefined();
    expect(largestDerivative('gate.cf.output.weight', undefined, single)).toBeGreaterThan(1e-6);
    const narrow = shapes({ gateWidth: 1 });
    expect(narrow['gate.text.output.bias']!.shape).toEqual([1]);
    expect(largestDerivative('gate.text.output.bias', undefined, narrow)).toBeGreaterThan(1e-6);
    const none = shapes({ gateWidth: 0 });
    const { embeddings, aligned } = referenceCcf(model, none, batch);
    const table = model.weights.get('model.embed_tokens.weight')!;
    const expected = op.add(op.gatherRows(table, [8]), op.gatherRows(aligned, [3 + 3]));
    expectClose(op.gatherRows(embeddings, [5]), expected);
  });

  it('activations and losses are distinct', () => {
    const losses = [
      model,
      { ...model, gateActivation: 'sigmoid' as const },
      { ...model, gateActivation: 'tanh' as const },
      { ...model, eq5: { bprOn: 'logit' as const } },
      { ...model, loss: 'yes-logit-bce' as const },
      { ...model, loss: 'answer-ce' as const },
      { ...model, loraScale: 1 },
    ].map((variant) => referenceCcf(variant, parameters, batch).loss);
    expect(new Set(losses).size).toBe(losses.length);
    expect(losses.every(Number.isFinite)).toBe(true);
  });

  it('refuses a position that is both user and item, and a missing parameter', () => {
    const both = { ...batch, userId: Array.from(batch.itemId) };
    expect(() => referenceCcf(model, parameters, both)).toThrow('position 2 names both');
    const { 'alg.output.bias': _, ...incomplete } = parameters;
    expect(() => referenceCcf(model, incomplete, batch)).toThrow('no alg.output.bias');
  });
});
