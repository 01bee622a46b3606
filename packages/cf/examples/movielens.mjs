// Trains matrix factorization on MovieLens-1M (the folder with ratings.dat and movies.dat) and prints its metrics.
// npm run -s example -- packages/cf/examples/movielens.mjs FOLDER [EPOCHS]
import { CfTrainer, MatrixFactorization, seenInTrain } from '@crossgate/cf';
import { loadSource } from '@crossgate/data/node';
import { evaluateClicks } from '@crossgate/eval';
import { openDevice } from '@crossgate/gpu/node';

const [folder = 'data/ml-1m', epochs = '500'] = process.argv.slice(2);
const dataset = await loadSource('ml-1m', folder);
const device = await openDevice();
console.log(device.capabilities.name);
const model = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 128, seed: 1 });
const trainer = new CfTrainer(model, dataset.splits, {
  learningRate: 1e-3,
  weightDecay: 1e-4,
  batchSize: 1024,
  epochs: Number(epochs),
  patience: 50,
  warmupEpochs: 250, // Validation AUC stays near .5 for a hundred epochs, then rises.
  seed: 1,
});
await trainer.run({
  onEpoch({ epoch, loss, validAuc, bestAuc, seconds }) {
    if (epoch % 10 > 0) return;
    console.log(
      `epoch ${epoch}: loss ${loss.toFixed(4)}, valid AUC ${validAuc?.toFixed(4)}, best ${bestAuc?.toFixed(4)}, ${seconds.toFixed(2)} s`,
    );
  },
});
for (const name of ['valid', 'test']) {
  const { user, item, label, seen } = dataset.splits[name];
  const { auc, uauc, warm, cold } = evaluateClicks({ user, label, seen, score: await model.scorePairs(user, item) });
  console.log(
    `${name}: AUC ${auc?.toFixed(4)}, UAUC ${uauc?.toFixed(4)}, warm ${warm?.auc?.toFixed(4)}, cold ${cold?.auc?.toFixed(4)}`,
  );
}
await device.destroy();
