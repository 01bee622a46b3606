/** Activation functions, SwiGLU and dropout in float64, each with its backward. */
import { type Reference, reference, requireShape } from './reference';

/** 1 / (1 + e^−x), without overflow on either side. */
export function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** log(1 + e^x), without overflow and without loss for very negative x. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

export type ActivationName = 'none' | 'relu' | 'sigmoid' | 'tanh' | 'silu';

/** Each activation as value and derivative, both functions of the input. ReLU's derivative at 0 is 0, as in torch. */
export const scalarActivations: Record<
  ActivationName,
  { value: (x: number) => number; derivative: (x: number) => number }
> = {
  none: { value: (x) => x, derivative: () => 1 },
  relu: { value: (x) => Math.max(x, 0), derivative: (x) => (x > 0 ? 1 : 0) },
  sigmoid: { value: logistic, derivative: (x) => logistic(x) * logistic(-x) },
  tanh: { value: Math.tanh, derivative: (x) => 1 - Math.tanh(x) ** 2 },
  silu: {
    value: (x) => x * logistic(x),
    derivative: (x) => logistic(x) * (1 + x * logistic(-x)),
  },
};

/** The named activation of every element. */
export function activate(name: ActivationName, x: Reference): Reference {
  const { value } = scalarActivations[name];
  return reference(x.shape, (index) => value(x.data[index]!));
}

/** Gradient with respect to the input `x` of `activate`. */
export function activateBackward(name: ActivationName, x: Reference, gradient: Reference): Reference {
  requireShape(gradient, x.shape, `${name} gradient`);
  const { derivative } = scalarActivations[name];
  return reference(x.shape, (index) => gradient.data[index]! * derivative(x.data[index]!));
}

export const relu = (x: Reference): Reference => activate('relu', x);
export const reluBackward = (x: Reference, gradient: Reference): Reference => activateBackward('relu', x, gradient);
export const sigmoid = (x: Reference): Reference => activate('sigmoid', x);
export const sigmoidBackward = (x: Reference, gradient: Reference): Reference =>
  activateBackward('sigmoid', x, gradient);
export const tanh = (x: Reference): Reference => activate('tanh', x);
export const tanhBackward = (x: Reference, gradient: Reference): Reference => activateBackward('tanh', x, gradient);
export const silu = (x: Reference): Reference => activate('silu', x);
export const siluBackward = (x: Reference, gradient: Reference): Reference => activateBackward('silu', x, gradient);

/** silu(gate) ⊙ up, all of one shape (Shazeer, "GLU variants improve transformer", 2020). */
export function swiglu(gate: Reference, up: Reference): Reference {
  requireShape(up, gate.shape, 'swiglu up');
  const { value } = scalarActivations.silu;
  return reference(gate.shape, (index) => value(gate.data[index]!) * up.data[index]!);
}

/** Gradients of `swiglu` with respect to both inputs. */
export function swigluBackward(
  gate: Reference,
  up: Reference,
  gradient: Reference,
): { gate: Reference; up: Reference } {
  requireShape(gradient, gate.shape, 'swiglu gradient');
  const { value, derivative } = scalarActivations.silu;
  return {
    gate: reference(gate.shape, (i) => gradient.data[i]! * up.data[i]! * derivative(gate.data[i]!)),
    up: reference(up.shape, (i) => gradient.data[i]! * value(gate.data[i]!)),
  };
}

/**
 * Inverted dropout by a given mask (one entry per element; nonzero = kept): kept elements are divided by
 * 1 − probability. The backward is the same function of the gradient.
 */
export function dropout(x: Reference, mask: ArrayLike<number>, probability: number): Reference {
  if (mask.length !== x.data.length) {
    throw new RangeError(`dropout: mask of ${mask.length} for ${x.data.length} elements`);
  }
  return reference(x.shape, (index) => (mask[index] ? x.data[index]! / (1 - probability) : 0));
}
