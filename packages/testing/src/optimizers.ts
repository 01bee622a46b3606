/**
 * One step of Adam (coupled L2) and of AdamW (decoupled decay) as torch.optim computes them, and of a dynamic loss
 * scale, in float64.
 */

export interface AdamOptions {
  learningRate: number;
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Default 0. */
  weightDecay?: number;
}

/** Values and moments of one parameter group; `step` counts the updates done. */
export interface AdamState {
  value: Float64Array;
  firstMoment: Float64Array;
  secondMoment: Float64Array;
  step: number;
}

/** A state before its first update. */
export function adamState(value: ArrayLike<number>): AdamState {
  const size = value.length;
  return {
    value: Float64Array.from(value),
    firstMoment: new Float64Array(size),
    secondMoment: new Float64Array(size),
    step: 0,
  };
}

function update(state: AdamState, gradient: ArrayLike<number>, options: AdamOptions, coupled: boolean): AdamState {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
  if (gradient.length !== state.value.length) {
    throw new RangeError(`optimizer: ${gradient.length} gradients for ${state.value.length} values`);
  }
  const step = state.step + 1;
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  const next = adamState(state.value);
  next.step = step;
  for (let i = 0; i < next.value.length; i++) {
    const value = state.value[i]!;
    const g = gradient[i]! + (coupled ? weightDecay * value : 0);
    const decayed = coupled ? value : value * (1 - learningRate * weightDecay);
    const first = beta1 * state.firstMoment[i]! + (1 - beta1) * g;
    const second = beta2 * state.secondMoment[i]! + (1 - beta2) * g * g;
    next.firstMoment[i] = first;
    next.secondMoment[i] = second;
    next.value[i] = decayed - ((learningRate / correction1) * first) / (Math.sqrt(second / correction2) + epsilon);
  }
  return next;
}

/** torch.optim.Adam: weight decay is added to the gradient, so it passes through the moments. Returns a new state. */
export function adamStep(state: AdamState, gradient: ArrayLike<number>, options: AdamOptions): AdamState {
  return update(state, gradient, options, true);
}

/** torch.optim.AdamW: the value shrinks by learningRate · weightDecay, apart from the moments. Returns a new state. */
export function adamWStep(state: AdamState, gradient: ArrayLike<number>, options: AdamOptions): AdamState {
  return update(state, gradient, options, false);
}

export interface LossScaleRules {
  beta1: number;
  beta2: number;
  /** Greatest norm of the gradients without the scale; null does not clip. */
  maxNorm: number | null;
  /** Finite steps after which the scale doubles. */
  growthInterval: number;
  minScale: number;
  maxScale: number;
}

/**
 * What a dynamic loss scale makes of a step (Micikevicius et al. 2018).
 *
 * @param state scale, finite steps since it changed, skipped steps, those in a row, updates done.
 * @returns the next state; factor of the gradient and both bias corrections of Adam, or null for a step that is
 *   skipped.
 */
export function lossScaleStep(
  [scale = 1, good = 0, skipped = 0, inRow = 0, updates = 0]: readonly number[],
  sumOfSquares: number,
  { beta1, beta2, maxNorm, growthInterval, minScale, maxScale }: LossScaleRules,
): { state: number[]; control: number[] | null } {
  if (!Number.isFinite(sumOfSquares)) {
    return { state: [Math.max(scale / 2, minScale), 0, skipped + 1, inRow + 1, updates], control: null };
  }
  const norm = Math.sqrt(sumOfSquares) / scale;
  const clip = maxNorm !== null && norm > maxNorm ? maxNorm / norm : 1;
  const t = updates + 1;
  const grows = good + 1 >= growthInterval;
  return {
    state: [grows ? Math.min(2 * scale, maxScale) : scale, grows ? 0 : good + 1, skipped, 0, t],
    control: [clip / scale, 1 / (1 - beta1 ** t), 1 / Math.sqrt(1 - beta2 ** t)],
  };
}
