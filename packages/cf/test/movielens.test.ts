/** A short run on MovieLens-1M: the real sizes, the loss falls, epochs take the time they should. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadSource } from '@crossgate/data/node';
import { openDevice } from '@crossgate/gpu/node';
import { describe, expect, it } from 'vitest';
import { CfTrainer, MatrixFactorization, seenInTrain } from '../src';

const folder = process.env.CROSSGATE_DATA ? join(process.env.CROSSGATE_DATA, 'ml-1m') : undefined;
const reason = !folder
  ? ' (skipped: CROSSGATE_DATA is not set)'
  : !existsSync(folder)
    ? ` (skipped: no ${folder})`
    : '';

describe(`MF on MovieLens-1M${reason}`, () => {
  it.skipIf(reason !== '')('fits the training rows better from epoch to epoch', async () => {
    const dataset = await loadSource('ml-1m', folder!);
    const seen = seenInTrain(dataset);
    const count = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0);
    const device = await openDevice();
    try {
      const model = MatrixFactorization.create(device, { ...seen, cfDim: 128, seed: 1 });
      const trainer = new CfTrainer(model, dataset.splits, {
        learningRate: 1e-3,
        weightDecay: 1e-4,
        batchSize: 1024,
        epochs: 3,
        patience: 100,
        warmupEpochs: 300,
        seed: 1,
      });
      const losses: number[] = [];
      const { steps } = await trainer.run({
        onEpoch: ({ loss }) => {
          losses.push(loss);
        },
      });
      expect(steps).toBe(3 * 34);
      // Dot products of unit-variance vectors have the deviation √128, so the first loss is far above log 2.
      expect(losses[0]).toBeGreaterThan(3);
      expect(losses[1]).toBeLessThan(losses[0]!);
      expect(losses[2]).toBeLessThan(losses[1]!);
      const scores = await model.scorePairs(dataset.splits.test.user, dataset.splits.test.item);
      const cold = dataset.splits.test.seen.reduce((sum, flag) => sum + (1 - flag), 0);
      expect(scores.filter((score) => score === 0)).toHaveLength(cold);
      expect(count(seen.userSeen)).toBeLessThan(dataset.userCount);
    } finally {
      device.destroy();
    }
  });
});
