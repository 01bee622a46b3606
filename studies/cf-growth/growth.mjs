// What measured trainings say of larger ones: bytes and seconds as sums of parts, each in proportion to one size.

/**
 * @typedef {{ users: number, items: number, width: number, rows: number }} Size
 * @typedef {Size & { model: string, deviceBytes: number, secondsPerStep: number, adapter: string }} Measured
 * @typedef {Record<string, number> & { error: number }} Parts bytes or seconds by what they are in proportion to
 * @typedef {{ bytes: Parts, secondsPerStep: Parts }} Fit
 */

/** Sizes that device memory is in proportion to, with batches of 2,048 rows. */
const memoryParts = (/** @type {Size} */ { users, items, width, rows }) => ({
  userValue: users * width,
  user: users,
  itemValue: items * width,
  item: items,
  row: rows,
  batchValue: 2048 * width,
});

/**
 * Sizes that the time of a step of 2,048 rows is in proportion to. A graph is walked whole in every step; layers between
 * vectors multiply matrices of width × width.
 */
const timeParts = (/** @type {Size} */ { users, items, width, rows }) => ({
  userValue: users * width,
  itemValue: items * width,
  rowValue: rows * width,
  batchValue: 2048 * width,
  batchMatrix: 2048 * width ** 2,
});

/**
 * Least squares with no part below 0. Every equation is divided by what was measured, so that small sizes count as much
 * as large ones. @returns the parts and the largest relative error
 */
function solve(/** @type {readonly Record<string, number>[]} */ equations, /** @type {readonly number[]} */ values) {
  const names = Object.keys(equations[0] ?? {});
  const scaled = equations.map((parts, i) =>
    Float64Array.from(names, (name) => Number(parts[name]) / Number(values[i])),
  );
  const found = new Float64Array(names.length);
  const sumOf = (/** @type {Float64Array} */ row) => row.reduce((sum, value, k) => sum + value * Number(found[k]), 0);
  // Coordinate descent: the problem is convex and tiny.
  for (let change = 1; change > 1e-13; ) {
    change = 0;
    for (let n = 0; n < names.length; n++) {
      let [slope, norm] = [0, 0];
      const old = Number(found[n]);
      for (const row of scaled) {
        const value = Number(row[n]);
        slope += value * (1 - sumOf(row) + value * old);
        norm += value ** 2;
      }
      found[n] = Math.max(0, slope / norm);
      change = Math.max(change, Math.abs(Number(found[n]) - old) / Math.max(old, 1e-300));
    }
  }
  const parts = Object.fromEntries(names.map((name, n) => [name, Number(found[n])]));
  return { ...parts, error: Math.max(...scaled.map((row) => Math.abs(sumOf(row) - 1))) };
}

/** Bytes and seconds of a model by what each is in proportion to. @returns {Fit} */
export function fit(/** @type {readonly Measured[]} */ measured) {
  // The others have no vectors of users: what noise would give to these, they do not have.
  const hasUsers = measured.every(({ model }) => ['mf', 'lightgcn'].includes(model));
  const own = (/** @type {Record<string, number>} */ { userValue = 0, user, ...parts }) => ({
    ...(hasUsers && { userValue, ...(user && { user }) }),
    ...parts,
  });
  return {
    bytes: solve(
      measured.map(memoryParts).map(own),
      measured.map(({ deviceBytes }) => deviceBytes),
    ),
    secondsPerStep: solve(
      measured.map(timeParts).map(own),
      measured.map(({ secondsPerStep }) => secondsPerStep),
    ),
  };
}

const sumOf = (/** @type {Parts} */ parts, /** @type {Record<string, number>} */ counts) =>
  Object.entries(counts).reduce((sum, [name, count]) => sum + count * (parts[name] ?? 0), 0);

/** Device memory of a training of another size, in bytes. */
export const bytesOf = (/** @type {Fit} */ { bytes }, /** @type {Size} */ size) => sumOf(bytes, memoryParts(size));

/** Time of a step of 2,048 rows at another size, in seconds, on the device that was measured. */
export const secondsOf = (/** @type {Fit} */ { secondsPerStep }, /** @type {Size} */ size) =>
  sumOf(secondsPerStep, timeParts(size));
