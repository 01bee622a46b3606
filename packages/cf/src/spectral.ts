/** Vectors of items from who clicked on what, without labels: leading singular directions of the train matrix. */
import { RandomStream } from '@crossgate/tensor';
import type { ClickColumns } from './training-data';

/**
 * Number of clicks that every item is taken to have beyond its own when its vector is normalized, so that rare items
 * get shorter vectors.
 */
const normalization = 2;
/** Number of clicks for which the squared length of an item's final vector is ½. */
const confidence = 3;
const iterations = 8;

/**
 * PureSVD (Cremonesi et al. 2010) on clicks of either label, computed on the host. The matrix [users, items] has the
 * entry du^−¼ · (di + 2)^−½ where user and item met; du is the number of the user's clicks, and di the sum of du^−½
 * over the item's clicks. The leading direction mostly says how much is clicked and is left out. The next `width` ones,
 * times their singular values, are the columns. A row has the length √(n / (n + 3)) for n clicks on the item, so dot
 * products are cosines that are shrunk for items of which little is known.
 *
 * @param itemRows number of items + 1.
 * @param width number of directions.
 * @returns [itemRows, width], zero for items without clicks; the same for the same seed.
 */
export function spectralVectors(
  { rows, user, item }: Pick<ClickColumns, 'rows' | 'user' | 'item'>,
  itemRows: number,
  width: number,
  seed: number,
): Float32Array {
  const columns = width + 1;
  const userRows = user.reduce((most, id) => Math.max(most, id), 0) + 1;
  const [ofUser, ofItem, clicks] = [
    new Float64Array(userRows),
    new Float64Array(itemRows),
    new Float64Array(itemRows),
  ] as const;
  for (const id of user) ofUser[id]!++;
  for (let row = 0; row < rows; row++) {
    ofItem[item[row]!]! += ofUser[user[row]!]! ** -0.5;
    clicks[item[row]!]!++;
  }
  const weight = Float64Array.from({ length: rows }, (_, row) => {
    return ofUser[user[row]!]! ** -0.25 * (ofItem[item[row]!]! + normalization) ** -0.5;
  });
  // Subspace iteration: V ← orthonormal(MᵀM V).
  const vectors = Float64Array.from(new RandomStream(seed, 'cf.spectral').normals(itemRows * columns, 1));
  const projected = new Float64Array(userRows * columns);
  const multiply = (from: Float64Array, fromIds: ArrayLike<number>, to: Float64Array, toIds: ArrayLike<number>) => {
    to.fill(0);
    for (let row = 0; row < rows; row++) {
      const [source, target, value] = [fromIds[row]! * columns, toIds[row]! * columns, weight[row]!];
      for (let c = 0; c < columns; c++) to[target + c]! += value * from[source + c]!;
    }
  };
  for (let iteration = 0; iteration < iterations; iteration++) {
    orthonormalize(vectors, columns);
    multiply(vectors, item, projected, user);
    multiply(projected, user, vectors, item);
  }
  // Lengths of MᵀM's columns are squares of singular values.
  const squares = orthonormalize(vectors, columns);
  const out = new Float32Array(itemRows * width);
  for (let i = 0; i < itemRows; i++) {
    if (clicks[i] === 0) continue;
    const row = Float64Array.from(
      { length: width },
      (_, c) => vectors[i * columns + c + 1]! * Math.sqrt(squares[c + 1]!),
    );
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    const scale = Math.sqrt(clicks[i]! / (clicks[i]! + confidence)) / (length + 0.01);
    for (let c = 0; c < width; c++) out[i * width + c] = row[c]! * scale;
  }
  return out;
}

/** Gram–Schmidt on columns, in place; a column that nothing is left of becomes zero. @returns the lengths they had. */
function orthonormalize(values: Float64Array, columns: number): Float64Array {
  const rows = values.length / columns;
  const lengths = new Float64Array(columns);
  for (let a = 0; a < columns; a++) {
    const before = columnLength(values, columns, a);
    for (let b = 0; b < a; b++) {
      let product = 0;
      for (let r = 0; r < rows; r++) product += values[r * columns + a]! * values[r * columns + b]!;
      for (let r = 0; r < rows; r++) values[r * columns + a]! -= product * values[r * columns + b]!;
    }
    const length = columnLength(values, columns, a);
    const kept = length > 1e-10 * before && length > 0;
    lengths[a] = kept ? length : 0;
    for (let r = 0; r < rows; r++) values[r * columns + a]! *= kept ? 1 / length : 0;
  }
  return lengths;
}

function columnLength(values: Float64Array, columns: number, column: number): number {
  let sum = 0;
  for (let at = column; at < values.length; at += columns) sum += values[at]! ** 2;
  return Math.sqrt(sum);
}
