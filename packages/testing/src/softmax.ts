/** Softmax, log-sum-exp, cross entropy and binary cross entropy with logits in float64. */
import { logistic, softplus } from './activations';
import { type Reference, reference, requireShape, rowsAndColumns, zeros } from './reference';

/** log Σ exp(row) of each row of `x` [.., C] → [R]; −Infinity for a row of nothing but −Infinity. */
export function logSumExp(x: Reference): Reference {
  const [rows, columns] = rowsAndColumns(x, 'logSumExp');
  return reference([rows], (row) => logSumExpOf(x.data.subarray(row * columns, (row + 1) * columns)));
}

/** log Σ exp of the values, leaving out the listed indices. */
export function logSumExpOf(values: ArrayLike<number>, excluded: readonly number[] = []): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) if (!excluded.includes(i)) largest = Math.max(largest, values[i]!);
  if (largest === Number.NEGATIVE_INFINITY) return largest;
  let total = 0;
  for (let i = 0; i < values.length; i++) if (!excluded.includes(i)) total += Math.exp(values[i]! - largest);
  return largest + Math.log(total);
}

/** Softmax over the last axis. */
export function softmax(x: Reference): Reference {
  const [, columns] = rowsAndColumns(x, 'softmax');
  const normalizer = logSumExp(x);
  return reference(x.shape, (index) => Math.exp(x.data[index]! - normalizer.data[Math.floor(index / columns)]!));
}

/** Gradient with respect to the input of `softmax`, from its output `y`. */
export function softmaxBackward(y: Reference, gradient: Reference): Reference {
  const [rows, columns] = rowsAndColumns(y, 'softmaxBackward');
  requireShape(gradient, y.shape, 'softmax gradient');
  const input = zeros(y.shape);
  for (let row = 0; row < rows; row++) {
    let projection = 0;
    for (let c = 0; c < columns; c++) projection += y.data[row * columns + c]! * gradient.data[row * columns + c]!;
    for (let c = 0; c < columns; c++) {
      const at = row * columns + c;
      input.data[at] = y.data[at]! * (gradient.data[at]! - projection);
    }
  }
  return input;
}

/** −log softmax(logits)[target] of each row; logits [R, V], targets R ids (−1 = ignored, loss 0) → [R]. */
export function crossEntropy(logits: Reference, targets: ArrayLike<number>): Reference {
  const [rows, columns] = rowsAndColumns(logits, 'crossEntropy');
  requireTargets(targets, rows, columns);
  const normalizer = logSumExp(logits);
  return reference([rows], (row) =>
    targets[row] === -1 ? 0 : normalizer.data[row]! - logits.data[row * columns + targets[row]!]!,
  );
}

/** Gradient of Σ_r gradient[r] · loss[r] with respect to the logits; `gradient` [R] (1/R for a mean). */
export function crossEntropyBackward(logits: Reference, targets: ArrayLike<number>, gradient: Reference): Reference {
  const [rows, columns] = rowsAndColumns(logits, 'crossEntropyBackward');
  requireTargets(targets, rows, columns);
  requireShape(gradient, [rows], 'crossEntropy gradient');
  const probabilities = softmax(logits);
  return reference(logits.shape, (index) => {
    const row = Math.floor(index / columns);
    if (targets[row] === -1) return 0;
    return gradient.data[row]! * (probabilities.data[index]! - (index % columns === targets[row] ? 1 : 0));
  });
}

function requireTargets(targets: ArrayLike<number>, rows: number, columns: number): void {
  if (targets.length !== rows) throw new RangeError(`crossEntropy: ${targets.length} targets for ${rows} rows`);
  for (let row = 0; row < rows; row++) {
    const target = targets[row]!;
    if (!Number.isInteger(target) || target < -1 || target >= columns) {
      throw new RangeError(`crossEntropy: target ${target} of row ${row} is outside ${columns} columns`);
    }
  }
}

/** −y·log σ(z) − (1−y)·log(1−σ(z)) element by element; labels in [0, 1], same count as `logits`. */
export function bceWithLogits(logits: Reference, labels: ArrayLike<number>): Reference {
  requireLabels(logits, labels);
  return reference(logits.shape, (i) => softplus(logits.data[i]!) - labels[i]! * logits.data[i]!);
}

/** Gradient of Σ gradient ⊙ loss with respect to the logits. */
export function bceWithLogitsBackward(logits: Reference, labels: ArrayLike<number>, gradient: Reference): Reference {
  requireLabels(logits, labels);
  requireShape(gradient, logits.shape, 'bceWithLogits gradient');
  return reference(logits.shape, (i) => gradient.data[i]! * (logistic(logits.data[i]!) - labels[i]!));
}

function requireLabels(logits: Reference, labels: ArrayLike<number>): void {
  if (labels.length !== logits.data.length) {
    throw new RangeError(`bceWithLogits: ${labels.length} labels for ${logits.data.length} logits`);
  }
}
