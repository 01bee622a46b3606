// Asymmetric SVD on the host: the formulas of packages/cf/src/asymmetric-svd.ts and its training by Adam, in float64, with
// other losses. What it learns without them is what the program learns, but for the order of the rows.
import { RandomStream } from '@crossgate/tensor';
import { judge } from './run.mjs';

/** @typedef {import('./run.mjs').Run} Run */
/** @typedef {import('./run.mjs').Split} Split */

/**
 * @typedef {object} Loss
 * @property {number} [pairwise] weight of −log σ(x − y) for a positive's logit x and a negative's y of the same user,
 *   one pair for each row
 * @property {number} [days] each row weighs exp(−age / days), with an age from the last train row
 */

const [learningRate, batchSize, epochs, patience] = [1e-2, 1024, 20, 4];
const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];

/**
 * What the model knows of users: the level R and the taste Σ w x of each row, from its history.
 * @param {Run} run
 * @param {Split} split
 */
export function usersOf(run, split) {
  const { dataset, factors, cfDim, itemMean, historyLength, levelPrior, doublings, histories } = run;
  const { rows } = dataset.splits[split];
  const width = cfDim - 2;
  const level = new Float64Array(rows);
  const taste = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const history = histories.before(split, row, historyLength);
    const zero = history.indexOf(0);
    const clicks = history.subarray(0, Math.max(0, zero));
    const residual = (/** @type {number} */ entry) => (entry > 0 ? 1 : 0) - (itemMean[Math.abs(entry)] ?? 0);
    let sum = 0;
    for (const [at, entry] of clicks.entries()) {
      sum += residual(entry);
      const count = at + 1;
      if (!doublings || (count & at) === 0) level[row] = (4 * sum) / (count + levelPrior);
    }
    const center = sum / (clicks.length + 2);
    const scale = 1 / Math.sqrt(history.length - (zero < 0 ? 0 : 1) + 5);
    for (const [at, entry] of history.entries()) {
      const item = Math.abs(entry);
      // The second column is 1 for items with train rows.
      if (!factors[item * cfDim + 1]) continue;
      const weight = scale * (at < zero ? residual(entry) - center : 0.4);
      for (let k = 0; k < width; k++) {
        taste[row * width + k] = (taste[row * width + k] ?? 0) + weight * (factors[item * cfDim + 2 + k] ?? 0);
      }
    }
  }
  return { level, taste };
}

/** @typedef {ReturnType<typeof usersOf>} Users */

/**
 * Trains, and judges each epoch.
 * @param {Run} run
 * @param {Record<Split, Users>} users
 * @param {number} weightDecay
 * @param {Loss} loss
 * @returns AUC and UAUC of the validation rows after the epoch with the best AUC
 */
export function train({ dataset, factors, cfDim, ...run }, users, weightDecay, { pairwise = 0, days = 0 }) {
  const { valid, train: rows } = dataset.splits;
  const width = cfDim - 2;
  // Biases of items, the scale of the level, those of taste, and the common bias of each factor.
  const [ofLevel, ofTaste, ofFactors] = [
    dataset.items.length,
    dataset.items.length + 1,
    dataset.items.length + 1 + width,
  ];
  const parameters = new Float64Array(ofFactors + cfDim);
  const [gradients, first, second] = [1, 2, 3].map(() => new Float64Array(parameters.length));
  if (!gradients || !first || !second) throw new Error('no memory');
  const data = { train: rows, valid };

  /**
   * The logit of a row is the sum of its features times the parameters, and `fixed`.
   * @param {Split} split
   * @param {number} row
   * @param {(parameter: number, feature: number) => void} see
   */
  const eachFeature = (split, row, see) => {
    const item = data[split].item[row] ?? 0;
    const { level, taste } = users[split];
    see(item, 1);
    see(ofLevel, level[row] ?? 0);
    for (let k = 0; k < width; k++)
      see(ofTaste + k, (taste[row * width + k] ?? 0) * (factors[item * cfDim + 2 + k] ?? 0));
    for (let d = 0; d < cfDim; d++) see(ofFactors + d, factors[item * cfDim + d] ?? 0);
  };
  /** @param {Split} split @param {number} row */
  const logit = (split, row) => {
    if (!factors[(data[split].item[row] ?? 0) * cfDim + 1]) return 0;
    let sum = 0;
    eachFeature(split, row, (parameter, feature) => {
      // Level and taste count once without any training.
      const start = parameter >= ofLevel && parameter < ofFactors ? 1 : 0;
      sum += (start + (parameters[parameter] ?? 0)) * feature;
    });
    return sum;
  };
  /** @param {number} row @param {number} gradient of its logit */
  const back = (row, gradient) =>
    eachFeature('train', row, (parameter, feature) => {
      gradients[parameter] = (gradients[parameter] ?? 0) + gradient * feature;
    });

  const last = rows.timestamp.reduce((most, time) => Math.max(most, time), 0);
  const weights = Float64Array.from(rows.timestamp, (time) => (days > 0 ? Math.exp((time - last) / 86_400 / days) : 1));
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  /** @type {Map<number, [negatives: number[], positives: number[]]>} */
  const rowsOf = new Map();
  for (const [row, user] of rows.user.entries()) {
    const own = rowsOf.get(user) ?? [[], []];
    rowsOf.set(user, own);
    own[rows.label[row] === 1 ? 1 : 0].push(row);
  }
  const random = new RandomStream(1, 'asvd-limits');
  const order = Int32Array.from(rows.user.keys());
  const best = { auc: 0, uauc: 0, epoch: 0 };
  for (let epoch = 1, step = 0; epoch <= epochs && epoch - best.epoch <= patience; epoch++) {
    for (let at = order.length - 1; at > 0; at--) {
      const other = Math.floor(random.uniform() * (at + 1));
      [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
    }
    for (let start = 0; start < order.length; start += batchSize) {
      gradients.fill(0);
      const batch = order.subarray(start, start + batchSize);
      for (const row of batch) {
        const [label, own] = [rows.label[row] ?? 0, logit('train', row)];
        back(row, (((1 / (1 + Math.exp(-own)) - label) * (weights[row] ?? 0)) / mean) * (1 / batch.length));
        const others = rowsOf.get(rows.user[row] ?? 0)?.[label === 1 ? 0 : 1] ?? [];
        if (pairwise === 0 || others.length === 0) continue;
        const other = others[Math.floor(random.uniform() * others.length)] ?? 0;
        const sign = label === 1 ? 1 : -1;
        const slope = (-sign * pairwise) / (1 + Math.exp(sign * (own - logit('train', other)))) / batch.length;
        back(row, slope);
        back(other, -slope);
      }
      step++;
      for (const [i, value] of parameters.entries()) {
        const gradient = (gradients[i] ?? 0) + weightDecay * value;
        first[i] = beta1 * (first[i] ?? 0) + (1 - beta1) * gradient;
        second[i] = beta2 * (second[i] ?? 0) + (1 - beta2) * gradient * gradient;
        const rate = learningRate / (1 - beta1 ** step);
        parameters[i] =
          value - (rate * (first[i] ?? 0)) / (Math.sqrt((second[i] ?? 0) / (1 - beta2 ** step)) + epsilon);
      }
    }
    const found = judge(
      { dataset, factors, cfDim, ...run },
      Float64Array.from(valid.user, (_, row) => logit('valid', row)),
    );
    if (found.auc > best.auc) Object.assign(best, found, { epoch });
  }
  return best;
}
