/** Matrix products, element-wise arithmetic, reductions and top-k in float64. */
import { type Reference, reference, requireShape, rowsAndColumns, zeros } from './reference';

export interface MatmulOptions {
  /** A is stored [K, M]. */
  transposeA?: boolean;
  /** B is stored [N, K]. */
  transposeB?: boolean;
}

/** C [M, N] = A [M, K] · B [K, N], with either operand stored transposed. */
export function matmul(a: Reference, b: Reference, options: MatmulOptions = {}): Reference {
  const { transposeA = false, transposeB = false } = options;
  requireShape(a, [-1, -1], 'matmul A');
  requireShape(b, [-1, -1], 'matmul B');
  const [a0, a1] = a.shape as [number, number];
  const [b0, b1] = b.shape as [number, number];
  const [m, k] = transposeA ? [a1, a0] : [a0, a1];
  const [innerB, n] = transposeB ? [b1, b0] : [b0, b1];
  if (k !== innerB) throw new RangeError(`matmul: inner sizes ${k} of A and ${innerB} of B differ`);
  const [aRow, aInner] = transposeA ? [1, a1] : [a1, 1];
  const [bInner, bColumn] = transposeB ? [1, b1] : [b1, 1];
  const c = zeros([m, n]);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      let aAt = row * aRow;
      let bAt = column * bColumn;
      for (let inner = 0; inner < k; inner++) {
        sum += a.data[aAt]! * b.data[bAt]!;
        aAt += aInner;
        bAt += bInner;
      }
      c.data[row * n + column] = sum;
    }
  }
  return c;
}

/** A [B, M, K] · B [B, K, N] → [B, M, N], each with optional transposes of its last two axes. */
export function batchedMatmul(a: Reference, b: Reference, options: MatmulOptions = {}): Reference {
  requireShape(a, [-1, -1, -1], 'batchedMatmul A');
  requireShape(b, [a.shape[0]!, -1, -1], 'batchedMatmul B');
  const batches = a.shape[0]!;
  const products = Array.from({ length: batches }, (_, batch) =>
    matmul(matrixOf(a, batch), matrixOf(b, batch), options),
  );
  const [m, n] = products[0]?.shape ?? [0, 0];
  const result = zeros([batches, m!, n!]);
  products.forEach((product, batch) => {
    result.data.set(product.data, batch * product.data.length);
  });
  return result;
}

function matrixOf(array: Reference, batch: number): Reference {
  const [, rows, columns] = array.shape as [number, number, number];
  const size = rows * columns;
  return { shape: [rows, columns], data: array.data.subarray(batch * size, (batch + 1) * size) };
}

/** y [R, out] = x [R, in] · weightᵀ (+ bias): `weight` [out, in] as torch.nn.Linear stores it, `bias` [out]. */
export function linear(x: Reference, weight: Reference, bias?: Reference): Reference {
  const y = matmul(x, weight, { transposeB: true });
  return bias ? addRow(y, bias) : y;
}

/** Gradients of `linear` for upstream `gradient` [R, out]. */
export function linearBackward(
  x: Reference,
  weight: Reference,
  gradient: Reference,
): { input: Reference; weight: Reference; bias: Reference } {
  return {
    input: matmul(gradient, weight),
    weight: matmul(gradient, x, { transposeA: true }),
    bias: columnSums(gradient),
  };
}

function zipWith(a: Reference, b: Reference, label: string, f: (a: number, b: number) => number): Reference {
  requireShape(b, a.shape, label);
  return reference(a.shape, (index) => f(a.data[index]!, b.data[index]!));
}

/** a + b, element by element. */
export function add(a: Reference, b: Reference): Reference {
  return zipWith(a, b, 'add', (x, y) => x + y);
}

/** a − b, element by element. */
export function subtract(a: Reference, b: Reference): Reference {
  return zipWith(a, b, 'subtract', (x, y) => x - y);
}

/** a ⊙ b, element by element. */
export function multiply(a: Reference, b: Reference): Reference {
  return zipWith(a, b, 'multiply', (x, y) => x * y);
}

/** factor · a */
export function scale(a: Reference, factor: number): Reference {
  return reference(a.shape, (index) => factor * a.data[index]!);
}

/** Adds `row` [C] to every row of `a` [.., C]. */
export function addRow(a: Reference, row: Reference): Reference {
  const [, columns] = rowsAndColumns(a, 'addRow');
  requireShape(row, [columns], 'addRow row');
  return reference(a.shape, (index) => a.data[index]! + row.data[index % columns]!);
}

/** Sums over all rows of `a` [.., C] → [C]. */
export function columnSums(a: Reference): Reference {
  const [rows, columns] = rowsAndColumns(a, 'columnSums');
  const sums = zeros([columns]);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) sums.data[column]! += a.data[row * columns + column]!;
  }
  return sums;
}

/** Sum of all elements. */
export function sum(a: Reference): number {
  return a.data.reduce((total, value) => total + value, 0);
}

/** Σ a ⊙ b over all elements: turns any op into a scalar function for a gradient check. */
export function innerProduct(a: Reference, b: Reference): number {
  requireShape(b, a.shape, 'innerProduct');
  return a.data.reduce((total, value, index) => total + value * b.data[index]!, 0);
}

/** Dot product of row r of `a` with row r of `b`, both [R, C] → [R]. */
export function rowDot(a: Reference, b: Reference): Reference {
  const [rows, columns] = rowsAndColumns(a, 'rowDot');
  requireShape(b, a.shape, 'rowDot b');
  return reference([rows], (row) => {
    let total = 0;
    for (let column = 0; column < columns; column++) {
      total += a.data[row * columns + column]! * b.data[row * columns + column]!;
    }
    return total;
  });
}

/** Gradients of `rowDot` for upstream `gradient` [R]. */
export function rowDotBackward(a: Reference, b: Reference, gradient: Reference): { a: Reference; b: Reference } {
  const [rows, columns] = rowsAndColumns(a, 'rowDotBackward');
  requireShape(gradient, [rows], 'rowDotBackward gradient');
  const upstream = (index: number) => gradient.data[Math.floor(index / columns)]!;
  return {
    a: reference(a.shape, (index) => upstream(index) * b.data[index]!),
    b: reference(b.shape, (index) => upstream(index) * a.data[index]!),
  };
}

/**
 * The `count` largest values of each row of `a` [R, C], largest first; equal values in order of column.
 * `values` [R, count] and `indices` (row-major, R·count).
 */
export function topK(a: Reference, count: number): { values: Reference; indices: Int32Array } {
  const [rows, columns] = rowsAndColumns(a, 'topK');
  if (count > columns) throw new RangeError(`topK: ${count} of only ${columns} columns`);
  const values = zeros([rows, count]);
  const indices = new Int32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    const order = Array.from({ length: columns }, (_, column) => column);
    // Array.prototype.sort is stable, which settles the ties.
    order.sort((left, right) => a.data[row * columns + right]! - a.data[row * columns + left]!);
    for (let rank = 0; rank < count; rank++) {
      indices[row * count + rank] = order[rank]!;
      values.data[row * count + rank] = a.data[row * columns + order[rank]!]!;
    }
  }
  return { values, indices };
}
