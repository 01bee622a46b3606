// With which settings does matrix factorization of width 64 learn fastest from data of a given size? These are what
// `crossgate init` writes. Ratings are judged by AUC, events without ratings (loss bpr) by NDCG@10. A line of JSON per
// training goes to standard output: `done` epochs, and seconds by the clock and of the processor. Minutes in all. The
// settings are those of grid.mjs; --grid gives one of them other values.
//
//   npm run -s example -- studies/init-settings/main.mjs rating|implicit DATA… [--grid NAME=V,V…]…
//
// DATA is shop-300 (generated), ml-100, ml-300, ml-943 (MovieLens-100K) or ml-3000 (MovieLens-1M): so many users.
import { parseArgs } from 'node:util';
import { CfTrainer, evaluateRanking, MatrixFactorization, seenInTrain } from '@crossgate/cf';
import { auc } from '@crossgate/eval';
import { openDevice } from '@crossgate/gpu/node';
import { names, open } from './data.mjs';
import { defaultGrid, forMl3000 } from './grid.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { grid: { type: 'string', multiple: true, default: [] } },
});
const [kind, ...wanted] = positionals;
if ((kind !== 'rating' && kind !== 'implicit') || wanted.length === 0) {
  process.stderr.write(`usage: main.mjs rating|implicit ${names.join('|')}… [--grid NAME=V,V…]…\n`);
  process.exit(2);
}
/** Settings that the command line gives. @type {Record<string, number[]>} */
const own = {};
for (const given of values.grid) {
  const [name = '', list = ''] = given.split('=');
  const known = Object.keys(defaultGrid(kind));
  if (!known.includes(name)) throw new Error(`${name}: there are ${known.join(', ')}`);
  own[name] = list.split(',').map(Number);
}
/** Every combination of the values of a grid. */
const combinations = (/** @type {Record<string, number[]>} */ grid) =>
  Object.entries(grid).reduce(
    (found, [name, list]) => found.flatMap((one) => list.map((value) => ({ ...one, [name]: value }))),
    /** @type {Record<string, number>[]} */ ([{}]),
  );

const device = await openDevice();
for (const name of wanted) {
  const dataset = await open(name, kind);
  const { train, test } = dataset.splits;
  const grid = { ...defaultGrid(kind), ...(name === 'ml-3000' && forMl3000), ...own };
  for (const settings of combinations(grid)) {
    const { initStd = 1, learningRate = 0, weightDecay = 0, batchSize = 1, ...stopping } = settings;
    const { epochs = 1, patience = 1, warmupEpochs = 0 } = stopping;
    const model = MatrixFactorization.create(device, { ...seenInTrain(dataset), cfDim: 64, initStd, seed: 1 });
    const ndcg = async (/** @type {'valid' | 'test'} */ split) =>
      (await evaluateRanking(model, dataset, split, { k: 10 })).ndcg;
    const trainer = new CfTrainer(model, dataset.splits, {
      ...{ learningRate, weightDecay, batchSize, epochs, patience, warmupEpochs, seed: 1 },
      ...(kind === 'implicit' && { loss: /** @type {const} */ ('bpr'), criterion: () => ndcg('valid') }),
    });
    let [seconds, toBest] = [0, 0];
    const before = process.cpuUsage();
    const { epoch, bestEpoch, bestAuc } = await trainer.run({
      onEpoch(report) {
        seconds += report.seconds;
        if (report.bestEpoch === report.epoch) toBest = seconds;
      },
    });
    const { user, system } = process.cpuUsage(before);
    const scored =
      kind === 'implicit' ? await ndcg('test') : auc(test.label, await model.scorePairs(test.user, test.item));
    trainer.release();
    model.release();
    const round = (/** @type {number | null} */ value) => value && Number(value.toFixed(4));
    const result = { valid: round(bestAuc), test: round(scored), bestEpoch, done: epoch };
    const cpuSeconds = round((user + system) / 1e6);
    const times = { seconds: round(seconds), secondsToBest: round(toBest), cpuSeconds };
    console.log(JSON.stringify({ data: name, kind, rows: train.rows, ...settings, ...result, ...times }));
  }
}
await device.destroy();
