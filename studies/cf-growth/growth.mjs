// What measured trainings say of larger ones: bytes and seconds as sums of parts, each in proportion to one size.

/** Sizes that device memory is in proportion to, with batches of 2,048 rows. */
const memoryParts = ({ users, items, width, rows }) => ({
  userValue: users * width,
  itemValue: items * width,
  user: users,
  item: items,
  row: rows,
  batchValue: 2048 * width,
});

/** Sizes that the time of a step of 2,048 rows is in proportion to. A graph is walked whole in every step. */
const timeParts = ({ users, items, width, rows }) => ({
  userValue: users * width,
  itemValue: items * width,
  rowValue: rows * width,
  batchValue: 2048 * width,
});

/**
 * Least squares with no part below 0. Every equation is divided by what was measured, so that small sizes count as much
 * as large ones. @returns the parts and the largest relative error
 */
function solve(equations, values) {
  const names = Object.keys(equations[0]);
  const scaled = equations.map((parts, i) => names.map((name) => parts[name] / values[i]));
  const found = new Float64Array(names.length);
  // Coordinate descent: the problem is convex and tiny.
  for (let round = 0; round < 200_000; round++) {
    for (let n = 0; n < names.length; n++) {
      let [slope, norm] = [0, 0];
      for (const row of scaled) {
        slope += row[n] * (1 - row.reduce((sum, value, k) => sum + (k === n ? 0 : value * found[k]), 0));
        norm += row[n] ** 2;
      }
      found[n] = Math.max(0, slope / norm);
    }
  }
  const errors = scaled.map((row) => Math.abs(row.reduce((sum, value, k) => sum + value * found[k], 0) - 1));
  return { ...Object.fromEntries(names.map((name, n) => [name, found[n]])), error: Math.max(...errors) };
}

/** Bytes and seconds of a model by what each is in proportion to. */
export function fit(measured) {
  return {
    bytes: solve(
      measured.map(memoryParts),
      measured.map(({ deviceBytes }) => deviceBytes),
    ),
    secondsPerStep: solve(
      measured.map(timeParts),
      measured.map(({ secondsPerStep }) => secondsPerStep),
    ),
  };
}

const total = (parts, found) => Object.entries(parts).reduce((sum, [name, size]) => sum + size * found[name], 0);
export const bytesOf = (found, size) => total(memoryParts(size), found.bytes);
export const secondsOf = (found, size) => total(timeParts(size), found.secondsPerStep);
