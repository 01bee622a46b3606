// Epochs of CF models, with recorded and with replayed steps.
import { CfTrainer, LightGcn, MatrixFactorization } from '@crossgate/cf';
import { openDevice } from '@crossgate/gpu/node';
import { printHead, timed, turns } from './turns.mjs';

// The sizes of MovieLens-1M as the paper splits it.
const [rows, users, items] = [33_891, 839, 3256];

/** Generated clicks: a user and an item drawn at random, a label by chance. */
function clicks(/** @type {number} */ count) {
  let state = 1;
  const draw = (/** @type {number} */ below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((below * state) / 2 ** 32);
  };
  const columns = { user: new Int32Array(count), item: new Int32Array(count), label: new Uint8Array(count) };
  for (let row = 0; row < count; row++) {
    columns.user[row] = 1 + draw(users);
    columns.item[row] = 1 + draw(items);
    columns.label[row] = draw(2);
  }
  return { rows: count, ...columns };
}

const seen = (/** @type {number} */ count) => Uint8Array.from({ length: count + 1 }, (_, id) => (id === 0 ? 0 : 1));

/** Prints a table of epochs. */
export async function cf(rounds = 7) {
  const device = await openDevice();
  const train = clicks(rows);
  const common = { userSeen: seen(users), itemSeen: seen(items), seed: 1 };
  const positive = (/** @type {Int32Array} */ column) => column.filter((_, row) => train.label[row] === 1);
  const graph = { user: positive(train.user), item: positive(train.item) };
  const mf = (/** @type {number} */ cfDim) => () => MatrixFactorization.create(device, { ...common, cfDim });
  const cases = /** @type {const} */ ([
    ['mf, width 64, batch 2048', 2048, mf(64)],
    ['mf, width 256, batch 2048', 2048, mf(256)],
    ['mf, width 16, batch 256', 256, mf(16)],
    ['lightgcn, width 64, batch 2048', 2048, () => LightGcn.create(device, { ...common, cfDim: 64, layers: 2, graph })],
  ]);
  printHead('an epoch of 33,891 rows');
  const capture = device.capture.bind(device);
  for (const [name, batchSize, create] of cases) {
    const model = create();
    const settings = { learningRate: 1e-3, weightDecay: 1e-4, epochs: 1000, patience: 1000, warmupEpochs: 0, seed: 1 };
    const trainerOf = () => new CfTrainer(model, { train, valid: clicks(100) }, { ...settings, batchSize });
    const replaying = trainerOf();
    await replaying.runEpoch();
    // A training in which no step can be captured records them all.
    device.capture = (record) => {
      const program = capture(record);
      program[Symbol.dispose]();
      return program;
    };
    const recording = trainerOf();
    await recording.runEpoch();
    device.capture = capture;
    await turns(name, rounds, {
      recorded: () => timed(() => recording.runEpoch()),
      replayed: () => timed(() => replaying.runEpoch()),
    });
    for (const trainer of [recording, replaying]) trainer.release();
    model.release();
    device.memory.trim();
  }
  await device.destroy();
}
