/** RMSNorm and LayerNorm over the last axis in float64, each with its backward. */
import { type Reference, requireShape, rowsAndColumns, zeros } from './reference';

/** y = x / sqrt(mean(x²) + epsilon) ⊙ weight over the last axis; x [.., C], weight [C] (Zhang & Sennrich, 2019). */
export function rmsNorm(x: Reference, weight: Reference, epsilon = 1e-5): Reference {
  const [rows, columns] = rowsAndColumns(x, 'rmsNorm');
  requireShape(weight, [columns], 'rmsNorm weight');
  const y = zeros(x.shape);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const inverse = inverseRms(x.data, start, columns, epsilon);
    for (let c = 0; c < columns; c++) y.data[start + c] = x.data[start + c]! * inverse * weight.data[c]!;
  }
  return y;
}

function inverseRms(data: Float64Array, start: number, columns: number, epsilon: number): number {
  let squares = 0;
  for (let c = 0; c < columns; c++) squares += data[start + c]! ** 2;
  return 1 / Math.sqrt(squares / columns + epsilon);
}

/** Gradients of `rmsNorm`: input [.., C] and weight [C]. */
export function rmsNormBackward(
  x: Reference,
  weight: Reference,
  gradient: Reference,
  epsilon = 1e-5,
): { input: Reference; weight: Reference } {
  const [rows, columns] = rowsAndColumns(x, 'rmsNormBackward');
  requireShape(gradient, x.shape, 'rmsNorm gradient');
  const input = zeros(x.shape);
  const weightGradient = zeros([columns]);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const inverse = inverseRms(x.data, start, columns, epsilon);
    let projection = 0; // Σ g·w·x, the part of the gradient along x
    for (let c = 0; c < columns; c++) {
      projection += gradient.data[start + c]! * weight.data[c]! * x.data[start + c]!;
      weightGradient.data[c]! += gradient.data[start + c]! * x.data[start + c]! * inverse;
    }
    const correction = (projection * inverse ** 3) / columns;
    for (let c = 0; c < columns; c++) {
      input.data[start + c] = gradient.data[start + c]! * weight.data[c]! * inverse - x.data[start + c]! * correction;
    }
  }
  return { input, weight: weightGradient };
}

function momentsOf(data: Float64Array, start: number, columns: number, epsilon: number): [mean: number, inv: number] {
  let mean = 0;
  for (let c = 0; c < columns; c++) mean += data[start + c]!;
  mean /= columns;
  let variance = 0;
  for (let c = 0; c < columns; c++) variance += (data[start + c]! - mean) ** 2;
  return [mean, 1 / Math.sqrt(variance / columns + epsilon)];
}

/** y = (x − mean) / sqrt(variance + epsilon) ⊙ weight + bias over the last axis, biased variance as in torch. */
export function layerNorm(x: Reference, weight: Reference, bias: Reference, epsilon = 1e-5): Reference {
  const [rows, columns] = rowsAndColumns(x, 'layerNorm');
  requireShape(weight, [columns], 'layerNorm weight');
  requireShape(bias, [columns], 'layerNorm bias');
  const y = zeros(x.shape);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const [mean, inverse] = momentsOf(x.data, start, columns, epsilon);
    for (let c = 0; c < columns; c++) {
      y.data[start + c] = (x.data[start + c]! - mean) * inverse * weight.data[c]! + bias.data[c]!;
    }
  }
  return y;
}

/** Gradients of `layerNorm`: input [.., C], weight [C], bias [C]. */
export function layerNormBackward(
  x: Reference,
  weight: Reference,
  gradient: Reference,
  epsilon = 1e-5,
): { input: Reference; weight: Reference; bias: Reference } {
  const [rows, columns] = rowsAndColumns(x, 'layerNormBackward');
  requireShape(gradient, x.shape, 'layerNorm gradient');
  const input = zeros(x.shape);
  const weightGradient = zeros([columns]);
  const biasGradient = zeros([columns]);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const [mean, inverse] = momentsOf(x.data, start, columns, epsilon);
    let scaledSum = 0;
    let projection = 0;
    for (let c = 0; c < columns; c++) {
      const normalized = (x.data[start + c]! - mean) * inverse;
      const upstream = gradient.data[start + c]!;
      const scaled = upstream * weight.data[c]!;
      scaledSum += scaled;
      projection += scaled * normalized;
      weightGradient.data[c]! += upstream * normalized;
      biasGradient.data[c]! += upstream;
    }
    for (let c = 0; c < columns; c++) {
      const normalized = (x.data[start + c]! - mean) * inverse;
      const scaled = gradient.data[start + c]! * weight.data[c]!;
      input.data[start + c] = inverse * (scaled - scaledSum / columns - (normalized * projection) / columns);
    }
  }
  return { input, weight: weightGradient, bias: biasGradient };
}
