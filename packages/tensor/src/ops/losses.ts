// Losses: roots of the tape. Each gives one value per row and, when recorded, its gradient scaled as asked.
import type { Device } from '@crossgate/gpu';
import * as kernels from '@crossgate/kernels';
import { activeTape, record } from '../tape';
import { empty, expectTensor, fromHost, Tensor } from '../tensor';

/** Kernel-made gradients of a loss with respect to its logits, given back when the tape runs. */
function root(name: string, logits: Tensor, losses: Tensor, gradient: Tensor | undefined): void {
  if (!gradient) return;
  record(name, [logits], [losses], [gradient], (_, into) => into.give(logits, into.saved(gradient)), { root: true });
  // The tape holds it from here on, in its own way.
  logits.device.memory.releaseEarly(gradient.slice);
}

function gradientFor(logits: Tensor): Tensor | undefined {
  return activeTape() && logits.requiresGrad ? empty(logits.device, logits.shape) : undefined;
}

/** Targets of a loss: on the device already, or uploaded from the host. */
function onDevice(device: Device, targets: Tensor | Float32Array | Uint32Array): Tensor {
  return targets instanceof Tensor ? targets : fromHost(device, [targets.length], targets);
}

/**
 * Binary cross entropy of logits.
 *
 * @param logits [rows]; @param labels [rows], 0 or 1 each; from the host or f32 on the device.
 * @param gradScale factor of the gradient, 1 / rows for the mean over one batch.
 * @returns losses [rows], unscaled.
 */
export function bceWithLogits(logits: Tensor, labels: Float32Array | Tensor, gradScale: number): Tensor {
  const { device, size: rows } = logits;
  const targets = onDevice(device, labels);
  expectTensor('bceWithLogits', 'labels', targets, 'f32');
  expectTensor('bceWithLogits', 'logits', logits, 'f32', targets.shape);
  const losses = empty(device, [rows]);
  const gradient = gradientFor(logits);
  kernels.bceWithLogits(device, {
    logits: logits.slice,
    labels: targets.slice,
    loss: losses.slice,
    ...(gradient && { gradLogits: gradient.slice }),
    rows,
    gradScale,
  });
  root('bceWithLogits', logits, losses, gradient);
  return losses;
}

/** Which loss a Yes/No answer is trained with. See {@link yesNoLoss}. */
export interface YesNoLossOptions {
  /**
   * `eq5`: BCE(p_yes, y) + BCE(p_no, 1 − y) + k · BPR (CCF-LLM, eq. 5), p over the whole vocabulary;
   * `yes-logit-bce`: BCE with logits on the raw Yes logit (CoLLM); `answer-ce`: cross entropy of the right answer's token.
   */
  readonly kind: 'eq5' | 'yes-logit-bce' | 'answer-ce';
  /** Weight of the ranking term of eq. 5. */
  readonly k: number;
  /** What the ranking term compares. */
  readonly bprOn: 'probability' | 'logit';
  readonly yesToken: number;
  readonly noToken: number;
}

/**
 * The loss of Yes/No answers.
 *
 * @param logits [rows, vocab] at the answer's position; @param labels 1 = Yes.
 * @returns losses [rows], unscaled, and scores [rows]: z_yes − z_no, or z_yes under `yes-logit-bce`.
 */
export function yesNoLoss(
  logits: Tensor,
  labels: Float32Array,
  options: YesNoLossOptions,
  gradScale: number,
): { losses: Tensor; scores: Tensor } {
  const { device, rows, columns: vocab } = logits;
  expectTensor('yesNoLoss', 'logits', logits, 'f32', [labels.length, -1]);
  const targets = onDevice(device, labels);
  expectTensor('yesNoLoss', 'labels', targets, 'f32');
  const losses = empty(device, [rows]);
  const scores = empty(device, [rows]);
  const gradient = gradientFor(logits);
  kernels.yesNoLoss(device, {
    logits: logits.slice,
    labels: targets.slice,
    loss: losses.slice,
    score: scores.slice,
    ...(gradient && { gradLogits: gradient.slice }),
    rows,
    vocab,
    gradScale,
    ...options,
  });
  root('yesNoLoss', logits, losses, gradient);
  return { losses, scores };
}

/** Target that takes no part in {@link crossEntropy}. */
export const ignoredTarget = 0xffffffff;

/**
 * −log softmax(logits)[target].
 *
 * @param logits [rows, vocab]; @param targets [rows] columns, or {@link ignoredTarget}; from the host or u32 on the device.
 * @returns losses [rows]; 0 where ignored.
 */
export function crossEntropy(logits: Tensor, targets: Uint32Array | Tensor, gradScale: number): Tensor {
  const { device, rows, columns: vocab } = logits;
  const columns = onDevice(device, targets);
  expectTensor('crossEntropy', 'targets', columns, 'u32');
  expectTensor('crossEntropy', 'logits', logits, 'f32', [columns.size, -1]);
  const losses = empty(device, [rows]);
  const gradient = gradientFor(logits);
  kernels.crossEntropy(device, {
    logits: logits.slice,
    targets: columns.slice,
    loss: losses.slice,
    ...(gradient && { gradLogits: gradient.slice }),
    rows,
    vocab,
    gradScale,
  });
  root('crossEntropy', logits, losses, gradient);
  return losses;
}
