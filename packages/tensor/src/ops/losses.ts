// Losses: roots of the tape. Each gives one value per row and, when recorded, its gradient scaled as asked.
import type { Device } from '@crossgate/gpu';
import * as kernels from '@crossgate/kernels';
import { record, willRecord } from '../tape';
import { empty, expectTensor, fromHost, Tensor } from '../tensor';

/** Kernel-made gradients of a loss with respect to its logits, given back when the tape runs. */
function root(name: string, logits: Tensor, losses: Tensor, gradient: Tensor | undefined): void {
  if (!gradient) return;
  record(name, [logits], [losses], [gradient], (_, into) => into.give(logits, into.saved(gradient)), { root: true });
  // The tape holds it from here on, in its own way.
  logits.device.memory.releaseEarly(gradient.slice);
}

function gradientFor(logits: Tensor): Tensor | undefined {
  return willRecord([logits]) ? empty(logits.device, logits.shape) : undefined;
}

/** Targets of a loss: on the device already, or uploaded from the host. */
function onDevice(device: Device, targets: Tensor | Float32Array | Uint32Array): Tensor {
  return targets instanceof Tensor ? targets : fromHost(device, [targets.length], targets);
}

/**
 * Binary cross entropy of logits z with labels y: −y · log σ(z) − (1 − y) · log(1 − σ(z)).
 *
 * @param logits f32 [rows]; @param labels [rows] of 0 or 1, on the host or f32 on the device.
 * @param gradScale factor of the gradient, such as 1 / rows for the mean over a batch.
 * @returns f32 [rows]: the losses, which `gradScale` does not change.
 * @throws InputError for another dtype or shape.
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

/** Options of {@link yesNoLoss}: which loss it is, and which tokens mean Yes and No. */
export interface YesNoLossOptions {
  /**
   * `eq5`: BCE(p_yes, y) + BCE(p_no, 1 − y) + k · BPR (CCF-LLM, eq. 5), with p the softmax over the whole
   * vocabulary.
   * `yes-logit-bce`: binary cross entropy of the raw Yes logit (CoLLM).
   * `answer-ce`: cross entropy of the right answer's token over the whole vocabulary.
   */
  readonly kind: 'eq5' | 'yes-logit-bce' | 'answer-ce';
  /** Weight of the ranking term (BPR) of `eq5`; the other losses ignore it. */
  readonly k: number;
  /** Whether the ranking term compares probabilities or logits of Yes and No. */
  readonly bprOn: 'probability' | 'logit';
  /** Token id of Yes: a column of the logits. */
  readonly yesToken: number;
  /** Token id of No: a column of the logits. */
  readonly noToken: number;
}

/**
 * The loss of Yes/No answers, and the scores by which they are ranked.
 *
 * @param logits f32 [rows, vocab]: logits z at the position of each answer; @param labels [rows], 1 for Yes and 0 for
 * No, on the host or f32 on the device.
 * @param gradScale factor of the gradient, such as 1 / rows for the mean over a batch.
 * @returns f32 [rows] each: the losses, which `gradScale` does not change, and the scores: z_yes − z_no, or z_yes under
 * `yes-logit-bce`.
 * @throws InputError for another dtype or shape, and for tokens that are equal or outside the vocabulary.
 */
export function yesNoLoss(
  logits: Tensor,
  labels: Float32Array | Tensor,
  options: YesNoLossOptions,
  gradScale: number,
): { losses: Tensor; scores: Tensor } {
  const { device, rows, columns: vocab } = logits;
  const targets = onDevice(device, labels);
  expectTensor('yesNoLoss', 'labels', targets, 'f32');
  expectTensor('yesNoLoss', 'logits', logits, 'f32', [targets.size, -1]);
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

/** The target of rows that {@link crossEntropy} ignores: their loss and gradient are 0. */
export const ignoredTarget = 0xffffffff;

/**
 * Cross entropy of each row's target: −log softmax(logits)[target].
 *
 * @param logits f32 [rows, vocab].
 * @param targets [rows] columns, or {@link ignoredTarget}; on the host or u32 on the device.
 * @param gradScale factor of the gradient, such as 1 / rows for the mean over a batch.
 * @returns f32 [rows]: the losses, which `gradScale` does not change; 0 where ignored.
 * @throws InputError for another dtype or shape.
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
