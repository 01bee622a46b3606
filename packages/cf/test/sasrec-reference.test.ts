/** 200 training steps of SASRec on batches from a file, against JAX in float64 (tools/reference/sasrec.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { Adam, readGroup, Tape, writeGroup } from '@crossgate/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SasRec, sasRecShapes, sequenceLoss } from '../src';

interface Reference {
  items: number;
  cfDim: number;
  historyLength: number;
  blocks: number;
  heads: number;
  learningRate: number;
  betas: [number, number];
  batches: { histories: number[][]; next: number[][]; negatives: number[][] }[];
  trainings: Record<'pre' | 'post', { losses: number[]; sumOfSquares: Record<string, number> }>;
}
const reference = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/sasrec-reference.json'), 'utf8'),
) as Reference;
const { items, batches, trainings, learningRate, betas, ...shape } = reference;

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** The same values by the same formula as in the script. */
function initial(): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const values = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [place, [name, size]] of [...sasRecShapes(items, { ...shape, norm: 'pre' })].entries()) {
    const count = size.reduce((product, extent) => product * extent, 1);
    const base = name.endsWith('norm.weight') ? 1 : 0;
    const data = Float32Array.from({ length: count }, (_, i) => {
      const mixed = 1000 * Math.sin(1 + 12.9898 * i + 78.233 * place);
      return base + 0.6 * (mixed - Math.floor(mixed)) - 0.3;
    });
    if (name === 'item_embedding.weight') data.fill(0, 0, shape.cfDim);
    values.set(name, { shape: size, data });
  }
  return values;
}

const seen = { userSeen: Uint8Array.of(0, 1), itemSeen: new Uint8Array(items + 1).fill(1, 1) };
const create = (norm: 'pre' | 'post') => SasRec.create(device, { ...shape, ...seen, norm, dropout: 0, seed: 1 });

describe.each(['pre', 'post'] as const)('%s-norm', (norm) => {
  it('follows the reference for 200 steps', async () => {
    const model = create(norm);
    const { losses, sumOfSquares } = trainings[norm];
    expect(losses).toHaveLength(200);
    expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]!);
    writeGroup(model.group, initial(), 'the formula');
    model.group.trainable = true;
    const [beta1, beta2] = betas;
    const optimizer = new Adam([model.group], { kind: 'adam', learningRate, beta1, beta2 });
    const found: Promise<number>[] = [];
    for (let step = 0; step < losses.length; step++) {
      const { histories, next, negatives } = batches[step % batches.length]!;
      const batch = {
        sequences: histories.map((history) => Int32Array.from(history)),
        next: Uint32Array.from(next.flat()),
        negatives: Uint32Array.from(negatives.flat()),
      };
      using _ = device.step();
      model.group.zeroGradients();
      using tape = new Tape();
      const parts = tape.record(() => sequenceLoss(model, batch));
      tape.backward();
      optimizer.step();
      const values = parts.map((part) => part.read());
      found.push(
        Promise.all(values).then(
          (read) => read.reduce((sum, part) => sum + part.reduce((a, b) => a + b, 0), 0) / batch.next.length,
        ),
      );
      // A few steps at a time, so that what is read back does not pile up.
      if (step % 20 === 19) await Promise.all(found);
    }
    for (const [step, loss] of (await Promise.all(found)).entries()) {
      // 2.4e-7 on lavapipe.
      expect(Math.abs(loss / losses[step]! - 1), `step ${step + 1}: ${loss}, expected ${losses[step]}`).toBeLessThan(
        1e-4,
      );
    }
    for (const [name, { data }] of await readGroup(model.group)) {
      // A softmax does not feel what is added to all its logits: this gradient is rounding, which Adam makes steps of.
      if (name.endsWith('.key.bias')) continue;
      const sum = data.reduce((total, value) => total + value * value, 0);
      expect(Math.abs(Math.sqrt(sum / sumOfSquares[name]!) - 1), name).toBeLessThan(1e-3);
    }
    optimizer.release();
    model.release();
  }, 120_000);
});

it('refuses sequences that do not fit', () => {
  const model = create('pre');
  using _ = device.step();
  const one = Uint32Array.of(1);
  const batch = (sequence: number[]) => ({ sequences: [Int32Array.from(sequence)], next: one, negatives: one });
  expect(() => sequenceLoss(model, batch([]))).toThrow(/1 next items and 1 negatives for 0 positions/);
  const empty = new Uint32Array(0);
  expect(() => sequenceLoss(model, { sequences: [new Int32Array(0)], next: empty, negatives: empty })).toThrow(
    /sequence 0 has 0 items, expected 1 to 10/,
  );
  const long = new Uint32Array(11).fill(1);
  expect(() => sequenceLoss(model, { sequences: [Int32Array.from(long)], next: long, negatives: long })).toThrow(
    /sequence 0 has 11 items/,
  );
  model.release();
});
