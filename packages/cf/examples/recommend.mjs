// From a CSV file to recommendations: BPR-MF on a small invented shop (or a folder of your own).
// npm run -s example -- packages/cf/examples/recommend.mjs [FOLDER]
import { CfTrainer, MatrixFactorization, seenInTrain, topItems } from '@crossgate/cf';
import { loadSource } from '@crossgate/data/node';
import { openDevice } from '@crossgate/gpu/node';

const [folder = 'docs/shop'] = process.argv.slice(2);
const dataset = await loadSource('csv', folder, { split: { by: 'leave-one-out' } });
const device = await openDevice();
const model = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 16, initStd: 0.1, seed: 1 });
const steps = { learningRate: 0.02, weightDecay: 0, batchSize: 64, epochs: 20, patience: 20, warmupEpochs: 0, seed: 1 };
await new CfTrainer(model, dataset.splits, { loss: 'bpr', ...steps }).run();
const exclude = (user) => dataset.positives(user);
for await (const { user, items } of topItems(model, [1, 2, 3, 4], { count: 3, exclude })) {
  console.log(`${dataset.users[user]}: ${Array.from(items, (item) => dataset.items[item].title).join(', ')}`);
}
await device.destroy();
