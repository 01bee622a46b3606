// One rank of the study: trains on generated clicks, then sums. Rank 0 prints rows of a Markdown table.
import { CfTrainer, LightGcn, MatrixFactorization } from '@crossgate/cf';
import { alone } from '@crossgate/collective';
import { launchedRanks, openMpi } from '@crossgate/collective/node';
import { openDevice } from '@crossgate/gpu/node';

const job = await openMpi();
const collective = (launchedRanks() ?? 1) > 1 ? job : alone;
const { rank, size } = collective;
const print = (/** @type {(string | number)[]} */ ...cells) => {
  if (rank === 0) process.stdout.write(`| ${[size, ...cells].join(' | ')} |\n`);
};

/** Clicks of as many users and items as MovieLens-1M has. */
const [users, items, rows, batchSize, cfDim] = [6040, 3706, 20 * 8192, 8192, 64];
const random = (/** @type {number} */ row, /** @type {number} */ salt) =>
  Math.imul(Math.imul(row + 1, 0x9e3779b1) ^ salt, 0x85ebca6b) >>> 8;
const columns = (/** @type {number} */ count, /** @type {number} */ salt) => ({
  rows: count,
  user: Int32Array.from({ length: count }, (_, row) => 1 + (random(row, salt) % users)),
  item: Int32Array.from({ length: count }, (_, row) => 1 + (random(row, salt + 1) % items)),
  label: Uint8Array.from({ length: count }, (_, row) => random(row, salt + 2) % 2),
});
const data = { train: columns(rows, 1), valid: columns(16, 9) };
const seen = (/** @type {number} */ count) => Uint8Array.from({ length: count + 1 }, (_, id) => (id > 0 ? 1 : 0));
const sizes = { userSeen: seen(users), itemSeen: seen(items), cfDim, initStd: 0.1, seed: 1 };

const device = await openDevice();
if (rank === 0 && size === 1) process.stdout.write(`${device.capabilities.name}\n`);
const settings = { learningRate: 1e-3, weightDecay: 0, batchSize, epochs: 9, patience: 9, warmupEpochs: 0, seed: 1 };
for (const [name, make] of /** @type {const} */ ([
  ['MF', () => MatrixFactorization.create(device, sizes)],
  ['LightGCN', () => LightGcn.create(device, { ...sizes, layers: 2, graph: data.train })],
])) {
  const model = make();
  const trainer = new CfTrainer(model, data, { ...settings, criterion: 'last', collective });
  await trainer.runEpoch(); // Compiles the kernels.
  const [steps, before] = [trainer.progress.steps, trainer.communicationSeconds];
  const { seconds } = await trainer.runEpoch();
  const communication = trainer.communicationSeconds - before;
  const step = seconds / (trainer.progress.steps - steps);
  print(name, `${(1000 * step).toFixed(1)} ms`, `${((100 * communication) / seconds).toFixed(0)} %`);
  trainer.release();
  model.release();
}
await device.destroy();

for (const megabytes of size > 1 ? [1, 4, 16, 64, 256] : []) {
  const speeds = [];
  for (const wire of /** @type {const} */ (['f32', 'f16'])) {
    const values = new Float32Array(megabytes * 2 ** 18).fill(1 / size);
    await collective.allReduce(values, wire);
    const rounds = Math.max(1, Math.min(10, Math.floor(64 / megabytes)));
    await collective.barrier();
    const start = performance.now();
    for (let round = 0; round < rounds; round++) await collective.allReduce(values, wire);
    speeds.push(`${((1000 * rounds * megabytes * 1.048576) / (performance.now() - start)).toFixed(0)} MB/s`);
  }
  print(`sum of ${megabytes} MB`, ...speeds);
}
await job.end(0, async () => {});
process.exit(0);
