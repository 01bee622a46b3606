// What a run's logits leave out: columns of validation rows, and logistic regressions on them.
import { judge } from './run.mjs';

/** @typedef {import('./run.mjs').Run} Run */

/** Parts of the users: each is scored by a fit to the others. */
const FOLDS = 5;
/** Weight of the squared coefficients, per row. */
const PENALTY = 1e-3;

/**
 * Columns of the validation rows, from train rows and histories alone.
 * @param {Run} run
 * @returns {Record<'neighbors' | 'year' | 'trend', Float64Array>}
 */
export function columnsOf({ dataset, itemMean, historyLength, histories }) {
  const { train, valid } = dataset.splits;
  const items = dataset.items.length;
  const similarity = cosines(dataset, itemMean);
  const years = dataset.items.map(({ title }) => Number(/\((\d{4})\)\s*$/.exec(title)?.[1] ?? Number.NaN));
  const late = train.timestamp.toSorted()[Math.floor(0.75 * train.rows)] ?? 0;
  const [changes, counts] = [new Float64Array(items), new Float64Array(items)];
  for (let row = 0; row < train.rows; row++) {
    const item = train.item[row] ?? 0;
    if ((train.timestamp[row] ?? 0) < late) continue;
    changes[item] = (changes[item] ?? 0) + (train.label[row] ?? 0) - (itemMean[item] ?? 0);
    counts[item] = (counts[item] ?? 0) + 1;
  }
  const found = Array.from(valid.item, (item, row) => {
    const history = histories.before('valid', row, historyLength);
    const zero = history.indexOf(0);
    const residuals = Array.from(history, (entry, at) =>
      at < zero ? (entry > 0 ? 1 : 0) - (itemMean[Math.abs(entry)] ?? 0) : 0.4,
    );
    const clicks = residuals.slice(0, Math.max(0, zero));
    const center = clicks.reduce((sum, value) => sum + value, 0) / (clicks.length + 2);
    let [neighbors, year, near] = [0, 0, 0];
    for (const [at, entry] of history.entries()) {
      if (entry === 0) continue;
      const other = Math.abs(entry);
      const weight = (residuals[at] ?? 0) - (at < zero ? center : 0);
      neighbors += weight * (similarity[item * items + other] ?? 0);
      const distance = Math.abs((years[other] ?? 0) - (years[item] ?? 0));
      if (Number.isNaN(distance)) continue;
      year += weight * Math.exp(-distance / 5);
      near += Math.exp(-distance / 5);
    }
    return [
      neighbors / Math.sqrt(history.length + 5),
      year / (near + 2),
      (changes[item] ?? 0) / ((counts[item] ?? 0) + 10),
    ];
  });
  const column = (/** @type {number} */ at) => Float64Array.from(found, (values) => values[at] ?? 0);
  return { neighbors: column(0), year: column(1), trend: column(2) };
}

/** Cosines of items' residual labels over their users, shrunk. @param {Run['dataset']} dataset @param {Float32Array} itemMean */
function cosines({ users, items, splits: { train } }, itemMean) {
  /** @type {[item: number, residual: number][][]} */
  const byUser = users.map(() => []);
  for (let row = 0; row < train.rows; row++) {
    const item = train.item[row] ?? 0;
    byUser[train.user[row] ?? 0]?.push([item, (train.label[row] ?? 0) - (itemMean[item] ?? 0)]);
  }
  const width = items.length;
  const sums = new Float32Array(width * width);
  for (const rows of byUser) {
    const level = rows.reduce((sum, [, residual]) => sum + residual, 0) / (rows.length + 2);
    // Whoever rates hundreds of items says less by each pair of them.
    const weight = 1 / Math.sqrt(Math.max(1, rows.length / 50));
    for (const [one, a] of rows)
      for (const [other, b] of rows) {
        const at = one * width + other;
        sums[at] = (sums[at] ?? 0) + weight * (a - level) * (b - level);
      }
  }
  const norms = items.map((_, item) => sums[item * width + item] ?? 0);
  return sums.map((sum, at) => {
    const [one, other] = [Math.floor(at / width), at % width];
    return one === other ? 0 : sum / (Math.sqrt((norms[one] ?? 0) * (norms[other] ?? 0)) + 3);
  });
}

/**
 * AUC and UAUC of the validation rows, each user scored by a regression fitted to the users of other parts.
 * @param {Run} run
 * @param {readonly Float64Array[]} columns
 */
export function regress(run, columns) {
  const { user, label } = run.dataset.splits.valid;
  const scaled = columns.map((column) => {
    const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
    const deviation = Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / column.length);
    return column.map((value) => (value - mean) / deviation);
  });
  const rows = Array.from(label, (_, row) => [1, ...scaled.map((column) => column[row] ?? 0)]);
  const partOf = new Map([...new Set(user)].map((id, at) => [id, at % FOLDS]));
  const parts = Array.from(user, (id) => partOf.get(id) ?? 0);
  const score = new Float64Array(rows.length);
  for (let part = 0; part < FOLDS; part++) {
    const others = [...rows.keys()].filter((row) => parts[row] !== part);
    const fitted = logistic(
      others.map((row) => rows[row] ?? []),
      others.map((row) => label[row] ?? 0),
    );
    for (const [row, values] of rows.entries()) if (parts[row] === part) score[row] = dot(values, fitted);
  }
  return judge(run, score);
}

/** @param {readonly number[]} a @param {readonly number[]} b */
const dot = (a, b) => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

/** Coefficients by Newton's method; the first one, of the constant, has no penalty. @param {number[][]} rows @param {number[]} labels */
function logistic(rows, labels) {
  const width = rows[0]?.length ?? 0;
  /** @type {number[]} */
  let coefficients = new Array(width).fill(0);
  for (let step = 0; step < 15; step++) {
    const system = Array.from({ length: width }, (_, i) => {
      const line = new Array(width + 1).fill(0);
      if (i > 0) [line[i], line[width]] = [PENALTY, PENALTY * (coefficients[i] ?? 0)];
      return line;
    });
    for (const [row, values] of rows.entries()) {
      const probability = 1 / (1 + Math.exp(-dot(values, coefficients)));
      const curvature = probability * (1 - probability);
      for (const [i, line] of system.entries()) {
        const scaled = (values[i] ?? 0) / rows.length;
        for (const [j, value] of values.entries()) line[j] += curvature * scaled * value;
        line[width] += (probability - (labels[row] ?? 0)) * scaled;
      }
    }
    const change = solve(system);
    coefficients = coefficients.map((value, i) => value - (change[i] ?? 0));
  }
  return coefficients;
}

/** Solution of a symmetric positive definite system, the right side as its last column. @param {number[][]} system */
function solve(system) {
  for (const [i, line] of system.entries()) {
    const pivot = line[i] ?? 1;
    for (let j = i; j < line.length; j++) line[j] = (line[j] ?? 0) / pivot;
    for (const [other, target] of system.entries()) {
      const factor = target[i] ?? 0;
      if (other === i || factor === 0) continue;
      for (let j = i; j < line.length; j++) target[j] = (target[j] ?? 0) - factor * (line[j] ?? 0);
    }
  }
  return system.map((line) => line.at(-1) ?? 0);
}
