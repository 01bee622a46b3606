// Logistic matrix factorization, fitted to the train labels: biases, free vectors, and vectors of items that are told.
import { RandomStream } from '@crossgate/data';
import { auc } from '@crossgate/eval';

/** @typedef {import('@crossgate/data').Dataset} Dataset */
/** @typedef {'train' | 'valid' | 'test'} Part */
/**
 * @typedef {object} Options
 * @property {Float64Array | null} told two numbers by dense item id that are known of each item, such as what its title
 *   means
 * @property {number} free dimensions that are learned for users and items alike
 */
/** @typedef {readonly [vectors: number, biases: number]} Penalties weights of half the sum of squares in the loss */
/**
 * @typedef {object} Fit
 * @property {Penalties} penalties
 * @property {number} step the step of the best validation AUC
 * @property {number} valid that AUC
 * @property {(part: Part) => Float64Array} score logits of the rows of a split
 */

const seed = 1;
const steps = 200;
const evaluateEvery = 20;
const learningRate = 0.04;
const initialSpread = 0.3;
const toldWidth = 2;

const logistic = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/** Parameters with Adam's moments. */
class Parameters {
  /** @param {number} count */
  constructor(count) {
    this.values = new Float64Array(count);
    this.gradients = new Float64Array(count);
    this.means = new Float64Array(count);
    this.squares = new Float64Array(count);
  }

  /**
   * One step of Adam along the gradients of the loss plus `penalty` times the values; forgets the gradients.
   *
   * @param {number} step from 1
   * @param {number} penalty
   */
  update(step, penalty) {
    const { values, gradients, means, squares } = this;
    const [meanScale, squareScale] = [1 / (1 - 0.9 ** step), 1 / (1 - 0.99 ** step)];
    for (const [index, value] of values.entries()) {
      const gradient = Number(gradients[index]) + penalty * value;
      const mean = 0.9 * Number(means[index]) + 0.1 * gradient;
      const square = 0.99 * Number(squares[index]) + 0.01 * gradient * gradient;
      means[index] = mean;
      squares[index] = square;
      values[index] = value - (learningRate * mean * meanScale) / (Math.sqrt(square * squareScale) + 1e-8);
    }
    gradients.fill(0);
  }
}

/** Small random vectors for ids with train rows; zero for all others, of whom nothing is known. */
function scatter(
  /** @type {Parameters} */ vectors,
  /** @type {Int32Array} */ ids,
  /** @type {number} */ width,
  purpose = 0,
) {
  for (const id of new Set(ids)) {
    const random = new RandomStream(seed, purpose, id);
    for (let k = 0; k < width; k++) vectors.values[id * width + k] = initialSpread * (random.uint32() / 2 ** 32 - 0.5);
  }
}

/**
 * Fits logit(u, i) = bias of u + bias of i + vector of u · (what is told of i, vector of i) to the train labels:
 * maximum a posteriori with normal priors, by Adam over all rows at once, stopped where the validation AUC is best.
 *
 * @param {Dataset} dataset
 * @param {Options} options
 * @param {Penalties} penalties
 * @returns {Fit}
 */
export function fitPreferences(dataset, { told, free }, penalties) {
  const { train } = dataset.splits;
  const fixed = told ? toldWidth : 0;
  const width = fixed + free;
  const users = new Parameters(dataset.users.length * width);
  const items = new Parameters(dataset.items.length * width);
  const userBiases = new Parameters(dataset.users.length);
  const itemBiases = new Parameters(dataset.items.length);
  scatter(users, train.user, width, 1);
  scatter(items, train.item, width, 2);

  // What is told of an item stands in the first columns of its vector and is put back after every step.
  const tell = () => {
    for (let id = 0; told && id < dataset.items.length; id++) {
      items.values.set(told.subarray(id * fixed, (id + 1) * fixed), id * width);
    }
  };
  tell();

  const logit = (/** @type {number} */ user, /** @type {number} */ item) => {
    let sum = Number(userBiases.values[user]) + Number(itemBiases.values[item]);
    for (let k = 0; k < width; k++) {
      sum += Number(users.values[user * width + k]) * Number(items.values[item * width + k]);
    }
    return sum;
  };
  const score = (/** @type {Part} */ part) => {
    const { user, item, rows } = dataset.splits[part];
    return Float64Array.from({ length: rows }, (_, row) => logit(Number(user[row]), Number(item[row])));
  };
  const accumulate = () => {
    for (let row = 0; row < train.rows; row++) {
      const [user, item] = [Number(train.user[row]), Number(train.item[row])];
      const error = logistic(logit(user, item)) - Number(train.label[row]);
      userBiases.gradients[user] = Number(userBiases.gradients[user]) + error;
      itemBiases.gradients[item] = Number(itemBiases.gradients[item]) + error;
      for (let k = 0; k < width; k++) {
        const [u, i] = [user * width + k, item * width + k];
        users.gradients[u] = Number(users.gradients[u]) + error * Number(items.values[i]);
        items.gradients[i] = Number(items.gradients[i]) + error * Number(users.values[u]);
      }
    }
  };

  const all = [users, items, userBiases, itemBiases];
  let best = { step: 0, valid: 0, values: all.map(({ values }) => values.slice()) };
  for (let step = 1; step <= steps; step++) {
    accumulate();
    for (const vectors of [users, items]) vectors.update(step, penalties[0]);
    for (const biases of [userBiases, itemBiases]) biases.update(step, penalties[1]);
    tell();
    if (step % evaluateEvery !== 0) continue;
    const valid = auc(dataset.splits.valid.label, score('valid')) ?? 0;
    if (valid > best.valid) best = { step, valid, values: all.map(({ values }) => values.slice()) };
  }
  for (const [index, { values }] of all.entries()) values.set(best.values[index] ?? []);
  return { penalties, step: best.step, valid: best.valid, score };
}

/**
 * The fit of the best validation AUC over a few penalties.
 *
 * @param {Dataset} dataset
 * @param {Options} options
 * @param {readonly Penalties[]} grid
 */
export function bestPreferences(
  dataset,
  options,
  grid = [
    [1, 8],
    [1, 25],
    [2, 25],
    [4, 25],
  ],
) {
  const fits = grid.map((penalties) => fitPreferences(dataset, options, penalties));
  return fits.reduce((best, fit) => (fit.valid > best.valid ? fit : best));
}
