/** The example of the guide, step by step: from the invented shop's CSV to lists of the right taste. */
import { fileURLToPath } from 'node:url';
import { loadSource } from '@crossgate/data/node';
import { openDevice } from '@crossgate/gpu/node';
import { expect, it } from 'vitest';
import { CfTrainer, MatrixFactorization, seenInTrain, topItems } from '../src';

it('recommends tea to those who like tea and bicycles to the others', async () => {
  const shop = fileURLToPath(new URL('../../../docs/shop', import.meta.url));
  const dataset = await loadSource('csv', shop, { split: { by: 'leave-one-out' } });
  const device = await openDevice();
  const model = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 16, initStd: 0.1, seed: 1 });
  const steps = {
    learningRate: 0.02,
    weightDecay: 0,
    batchSize: 64,
    epochs: 20,
    patience: 20,
    warmupEpochs: 0,
    seed: 1,
  };
  await new CfTrainer(model, dataset.splits, { loss: 'bpr', ...steps }).run();
  const users = [...dataset.users.keys()].slice(1);
  let right = 0;
  let given = 0;
  const exclude = (user: number) => dataset.positives(user);
  for await (const { user, items } of topItems(model, users, { count: 2, exclude })) {
    const likesTea = Number(dataset.users[user]!.split('-')[1]) % 2 === 0;
    // Items 1 to 10 of the shop are for tea.
    for (const item of items) right += Number(Number(dataset.items[item]!.id.split('-')[1]) <= 10 === likesTea);
    given += items.length;
  }
  device.destroy();
  expect(given).toBe(2 * users.length);
  expect(right / given).toBeGreaterThan(0.8);
});
