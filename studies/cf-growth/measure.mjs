// One training of generated clicks, in a process of its own, so that its memory is its own:
//   npm run -s example -- studies/cf-growth/measure.mjs '{"model":"mf","users":1000,"items":1000,"width":64,"rows":20480}'
// Prints one line of JSON: seconds a step, bytes of device memory at most, bytes of host memory at most.
import { AsymmetricSvd, CfTrainer, LightGcn, MatrixFactorization, SasRec } from '@crossgate/cf';
import { openDevice } from '@crossgate/gpu/node';

const {
  model: name,
  users,
  items,
  width,
  rows,
} = /** @type {{ model: 'mf' | 'lightgcn' | 'sasrec' | 'asvd', users: number, items: number, width: number, rows: number }} */ (
  JSON.parse(process.argv[2] ?? '{}')
);
const batchSize = 2048;
const historyLength = 20;
const seed = 1;

/** Ids 1 … count, uniformly: with a popularity that falls, few rows of large tables would ever be read. */
function clicks(/** @type {number} */ count, /** @type {number} */ offset) {
  let state = seed + offset;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const columns = { user: new Int32Array(count), item: new Int32Array(count), label: new Uint8Array(count) };
  for (let row = 0; row < count; row++) {
    columns.user[row] = 1 + Math.floor(random() * users);
    columns.item[row] = 1 + Math.floor(random() * items);
    columns.label[row] = row % 2;
  }
  return { rows: count, ...columns };
}

const seen = (/** @type {number} */ count) => new Uint8Array(count + 1).fill(1).fill(0, 0, 1);
const train = clicks(rows, 0);
const valid = clicks(100, 7);
const device = await openDevice();
const began = performance.now();
const shared = { userSeen: seen(users), itemSeen: seen(items), cfDim: width, initStd: 0.1, seed };
const positive = (/** @type {Int32Array} */ column) => column.filter((_, row) => train.label[row] === 1);
const model = {
  mf: () => MatrixFactorization.create(device, shared),
  lightgcn: () =>
    LightGcn.create(device, {
      ...shared,
      layers: 2,
      graph: { user: positive(train.user), item: positive(train.item) },
    }),
  sasrec: () => SasRec.create(device, { ...shared, historyLength, blocks: 2, heads: 1, norm: 'pre', dropout: 0.2 }),
  asvd: () => AsymmetricSvd.create(device, { ...shared, train, information: 'H', historyLength, levelPrior: 5 }),
}[name]();
const history = (/** @type {string} */ _, /** @type {number} */ row, /** @type {number} */ limit) =>
  train.item.subarray(row % 97, (row % 97) + Math.min(limit, historyLength));
const trainer = new CfTrainer(
  model,
  { train, valid, history },
  { batchSize, learningRate: 1e-3, weightDecay: 1e-4, epochs: 99, patience: 99, warmupEpochs: 0, seed },
);
const created = (performance.now() - began) / 1000;
// The first epoch compiles.
await trainer.runEpoch();
const epochs = [];
for (let epoch = 0; epoch < 2; epoch++) epochs.push((await trainer.runEpoch()).seconds);
const { peak } = device.memory.report();
const parameters = model.group.size;
const steps = Math.ceil(rows / batchSize);
trainer.release();
model.release();
const adapter = device.capabilities.name;
await device.destroy();
const [secondsPerStep] = epochs.map((seconds) => seconds / steps).sort((a, b) => a - b);
const hostBytes = 1024 * process.resourceUsage().maxRSS;
process.stdout.write(
  `${JSON.stringify({ model: name, users, items, width, rows, parameters, secondsPerStep, created, deviceBytes: peak.total, hostBytes, adapter })}\n`,
);
