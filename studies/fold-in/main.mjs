// How well do folded-in users score? A fifth of the users of MovieLens-100K is held out: one model is trained with
// their train rows, another without, which then folds them in by these rows. Both score the same test rows of these
// users; where all labels are 1 (bpr), these stand among all items that the user did not rate. Minutes per model.
//
//   npm run -s example -- studies/fold-in/main.mjs [mf|lightgcn] [bce|bpr] [EPOCHS]
import { CfTrainer, LightGcn, MatrixFactorization } from '@crossgate/cf';
import { loadSource } from '@crossgate/data/node';
import { auc, uauc } from '@crossgate/eval';
import { openDevice } from '@crossgate/gpu/node';
import { amongAllItems, clicksByUser, isHeldOut, pick, seenIn } from './rows.mjs';

/** @typedef {import('./rows.mjs').Rows} Rows */
/** @typedef {import('@crossgate/cf').FoldInLoss} FoldInLoss */

const [model = 'mf', lossName = 'bce', epochs = lossName === 'bce' ? 300 : 60] = process.argv.slice(2);
if ((model !== 'mf' && model !== 'lightgcn') || (lossName !== 'bce' && lossName !== 'bpr')) {
  process.stderr.write('usage: main.mjs [mf|lightgcn] [bce|bpr] [EPOCHS]\n');
  process.exit(2);
}
/** @type {'bce' | 'bpr'} */
const loss = lossName;
const cfDim = 64;
const settings = {
  mf: { initStd: loss === 'bce' ? 1 : 0.04, learningRate: 1e-3, weightDecay: loss === 'bce' ? 1e-4 : 0 },
  lightgcn: { initStd: 0.1, learningRate: 5e-3, weightDecay: loss === 'bce' ? 1e-4 : 1e-7 },
}[model];

const dataset = await loadSource('ml-100k', `${process.env.CROSSGATE_DATA ?? 'data'}/ml-100k`, {
  threshold: loss === 'bce' ? 3 : 0,
  split: { by: 'ratio', valid: 0.1, test: 0.2, perUser: true, seed: 1 },
});
const device = await openDevice();
const { train, valid, test } = dataset.splits;
const others = (/** @type {number} */ user) => !isHeldOut(user);
const trainOfOthers = pick(train, others);
const clicks = clicksByUser(pick(train, isHeldOut));
const testOfHeld = pick(test, isHeldOut);
const evaluated = loss === 'bce' ? testOfHeld : amongAllItems(testOfHeld, dataset);
/** Of the training without the held-out users: see {@link FoldInLoss}. */
const trainDecay = trainOfOthers.rows * settings.weightDecay;

/**
 * A model trained on rows. Validation rows of positives alone choose no epoch: the last one stands.
 * @param {Rows} trainRows
 * @param {Rows} validRows
 */
async function trained(trainRows, validRows) {
  const options = { ...seenIn(trainRows, dataset), cfDim, initStd: settings.initStd, seed: 1 };
  const graph = pick(trainRows, (_, label) => label === 1);
  const made =
    model === 'mf'
      ? MatrixFactorization.create(device, options)
      : LightGcn.create(device, { ...options, layers: 2, graph });
  const { learningRate, weightDecay } = settings;
  const trainer = new CfTrainer(
    made,
    { train: trainRows, valid: loss === 'bce' ? validRows : pick(validRows, () => false) },
    {
      ...{ loss, learningRate, weightDecay, seed: 1, batchSize: 1024 },
      ...{ epochs: Number(epochs), warmupEpochs: model === 'mf' ? 60 : 5, patience: 15 },
    },
  );
  console.error(model, loss, 'trained', await trainer.run());
  trainer.release();
  return made;
}

/**
 * @param {string} what was scored
 * @param {Float32Array | Float64Array} score of each evaluated row
 */
function report(what, score) {
  const { user, label, rows } = evaluated;
  const [overall, byUser] = [auc(label, score), uauc({ user, label, score }).uauc];
  console.log(`${model} ${loss} ${what}: AUC ${overall?.toFixed(4)}, UAUC ${byUser?.toFixed(4)}, rows ${rows}`);
}

/**
 * @param {Float32Array} items [items + 1, cfDim]
 * @param {(user: number) => Float32Array | Float64Array} vectorOf a user: [cfDim]
 * @returns the logit of each evaluated row
 */
function logits(items, vectorOf) {
  return Float64Array.from(evaluated.user, (user, row) => {
    const vector = vectorOf(user);
    const first = (evaluated.item[row] ?? 0) * cfDim;
    let sum = 0;
    for (let c = 0; c < cfDim; c++) sum += (vector[c] ?? 0) * (items[first + c] ?? 0);
    return sum;
  });
}

/** @param {readonly Float32Array[]} vectors each [cfDim] @returns [cfDim] */
const meanOf = (vectors) =>
  Float64Array.from({ length: cfDim }, (_, c) => vectors.reduce((sum, own) => sum + (own[c] ?? 0), 0) / vectors.length);

/**
 * Mean square of the differences between the vectors' values and those of a center.
 * @param {readonly Float32Array[]} vectors each [cfDim]
 * @param {Float64Array} center [cfDim]
 */
const meanSquare = (vectors, center) =>
  vectors.reduce((sum, own) => sum + center.reduce((part, at, c) => part + ((own[c] ?? 0) - at) ** 2, 0), 0) /
  (vectors.length * cfDim);

const zero = new Float64Array(cfDim);

/**
 * The ways of folding in: as `recommend` does, and with pulls of several weights to zero and to the mean.
 * @param {readonly Float32Array[]} learned the trained users' rows of the table of users
 * @returns {[what: string, training: FoldInLoss][]}
 */
function waysOf(learned) {
  const pull = (/** @type {Float64Array} */ start, /** @type {number} */ decay) => ({
    loss,
    prior: { start, decay: new Float64Array(cfDim).fill(decay) },
  });
  const mean = meanOf(learned);
  const squares = { zero: meanSquare(learned, zero), mean: meanSquare(learned, mean) };
  console.log('mean square of entries about 0 and the mean', squares.zero, squares.mean, 'N·λ', trainDecay);
  /** @type {[string, FoldInLoss][]} */
  const ways = [['folded in as recommend does', { loss, decay: trainDecay }]];
  // So strong a pull to zero leaves of a user of LightGCN what propagation gives.
  if (model === 'lightgcn') ways.unshift(['propagation alone', pull(zero, 1e9)]);
  for (const { name, start, square } of [
    { name: 'zero', start: zero, square: squares.zero },
    { name: 'the mean', start: mean, square: squares.mean },
  ])
    for (const decay of [trainDecay, 1 / square, 0.3, 1, 3, 10, 30]) {
      if (decay === 0) continue;
      const note = decay === 1 / square ? ' (1/variance)' : '';
      ways.push([`folded in, start ${name}, decay ${decay.toPrecision(3)}${note}`, pull(start, decay)]);
    }
  return ways;
}

const whole = await trained(train, valid);
report('trained', await whole.scorePairs(evaluated.user, evaluated.item));
whole.release();

const rest = await trained(trainOfOthers, pick(valid, others));
const { users, items, userSeen } = await rest.exportEmbeddings();
const table = (await rest.state()).get('user_embedding.weight')?.data;
if (!(table instanceof Float32Array)) throw new Error('the model has no table of users');
/** @param {Float32Array} values [users + 1, cfDim] */
const ofTrained = (values) =>
  [...userSeen.keys()]
    .filter((user) => userSeen[user] === 1)
    .map((user) => values.subarray(user * cfDim, (user + 1) * cfDim));
const ways = waysOf(ofTrained(table));
const meanUser = meanOf(ofTrained(users));
report(
  'the mean of trained users',
  logits(items, () => meanUser),
);
for (const [what, training] of ways) {
  const folding = await rest.userFolding(training);
  const began = performance.now();
  const vectors = new Map([...clicks].map(([user, own]) => [user, folding.fold(own)?.vector]));
  const ms = (performance.now() - began) / vectors.size;
  const score = logits(items, (user) => vectors.get(user) ?? zero);
  report(`${what}, ${ms.toFixed(1)} ms a user`, score);
}
rest.release();
await device.destroy();
