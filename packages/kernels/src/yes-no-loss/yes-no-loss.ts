/** Losses on the logits of the two answers: eq. 5 of the paper, CoLLM's BCE on the Yes logit, cross entropy. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { logSumExp } from '../log-sum-exp/log-sum-exp';
import { planInvocations } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import gradientSource from './gradient.wgsl';
import rowsSource from './rows.wgsl';

const span = 4;
const kinds = { EQ5: 0, YES_LOGIT_BCE: 1, ANSWER_CE: 2 } as const;
const kindNumbers = {
  eq5: kinds.EQ5,
  'yes-logit-bce': kinds.YES_LOGIT_BCE,
  'answer-ce': kinds.ANSWER_CE,
} as const;

/**
 * Which loss: eq. 5 of CCF-LLM, CoLLM's binary cross entropy on the Yes logit, or cross entropy of the answer's token.
 */
export type YesNoLossKind = keyof typeof kindNumbers;

const yesNoRowsKernel = defineKernel({
  name: 'yes-no-loss-rows',
  source: rowsSource,
  includes,
  bindings: {
    logits: { access: 'read', type: 'f32' },
    labels: { access: 'read', type: 'f32' },
    rest: { access: 'read', type: 'f32', when: 'NEEDS_REST' },
    loss: { access: 'read_write', type: 'f32' },
    score: { access: 'read_write', type: 'f32' },
    scalars: { access: 'read_write', type: 'vec4<f32>' },
  },
  parameters: { rows: 'u32', vocab: 'u32', yesToken: 'u32', noToken: 'u32', k: 'f32', gradScale: 'f32' },
  constants: { ...kinds, KIND: 0, BPR_ON_LOGIT: false, NEEDS_REST: true, WORKGROUP_SIZE: 64 },
});

const yesNoGradientKernel = defineKernel({
  name: 'yes-no-loss-gradient',
  source: gradientSource,
  includes,
  bindings: {
    logits: { access: 'read', type: 'f32', when: 'NEEDS_LOGITS' },
    scalars: { access: 'read', type: 'vec4<f32>' },
    gradLogits: { access: 'read_write', type: 'f32' },
  },
  parameters: { rows: 'u32', vocab: 'u32', spansPerRow: 'u32', yesToken: 'u32', noToken: 'u32' },
  constants: { ...kinds, KIND: 0, NEEDS_LOGITS: true, WORKGROUP_SIZE: 64, SPAN: span },
});

/** Arguments of {@link yesNoLoss}. */
export interface YesNoLossArguments {
  /** f32 [rows, vocab]: the logits at the position that the answer follows. */
  readonly logits: BufferSlice;
  /** f32 [rows], 1 = yes, 0 = no */
  readonly labels: BufferSlice;
  /** f32 [rows], not scaled */
  readonly loss: BufferSlice;
  /** f32 [rows]: z_yes − z_no, the log-odds of p_yes / (p_yes + p_no); under `yes-logit-bce` z_yes. */
  readonly score: BufferSlice;
  /** f32 [rows, vocab]; left out when no gradient is needed. */
  readonly gradLogits?: BufferSlice | undefined;
  /** Rows of the logits; 0 does nothing. */
  readonly rows: number;
  /** Columns of the logits. */
  readonly vocab: number;
  /** Token of the answer Yes, below `vocab`. */
  readonly yesToken: number;
  /** Token of the answer No, below `vocab`; another one. */
  readonly noToken: number;
  /** Which loss. */
  readonly kind: YesNoLossKind;
  /** Weight of eq. 5's ranking term; the other kinds ignore it. */
  readonly k: number;
  /** What eq. 5's ranking term compares: p_yes − p_no (the paper) or z_yes − z_no. */
  readonly bprOn: 'probability' | 'logit';
  /** Factor of the gradient, e.g. 1 / rows for a mean. Default 1. */
  readonly gradScale?: number;
}

/**
 * Loss and gradient of the answer, with probabilities from the softmax over the whole vocabulary; exact to rounding at
 * any finite logits.
 *
 * @throws InputError when a slice is smaller than its shape or the two tokens are not different tokens of the
 *   vocabulary.
 */
export function yesNoLoss(device: Device, args: YesNoLossArguments): void {
  const { logits, labels, loss, score, gradLogits, rows, vocab, yesToken, noToken, kind, k, bprOn } = args;
  const { gradScale = 1 } = args;
  if (rows === 0) return;
  requireSizes('yesNoLoss', { rows, vocab });
  for (const [name, token] of Object.entries({ yesToken, noToken })) {
    if (!Number.isInteger(token) || token < 0 || token >= vocab) {
      throw new InputError(`yesNoLoss: ${name} ${token} is outside a vocabulary of ${vocab}`);
    }
  }
  if (yesToken === noToken) throw new InputError(`yesNoLoss: both answers are token ${yesToken}`);
  requireElements('yesNoLoss', 'logits', logits, rows * vocab);
  requireElements('yesNoLoss', 'labels', labels, rows);
  requireElements('yesNoLoss', 'loss', loss, rows);
  requireElements('yesNoLoss', 'score', score, rows);
  if (gradLogits) requireElements('yesNoLoss', 'gradLogits', gradLogits, rows * vocab);
  const usesVocabulary = kind !== 'yes-logit-bce';
  for (const { first, count } of rowRanges('yesNoLoss', device, rows, [vocab, 4, 1])) {
    const perRow = planInvocations({ invocations: count }, device.capabilities);
    const rest = usesVocabulary ? device.memory.allocate(4 * count) : undefined;
    const scalars = device.memory.allocate(16 * count);
    const logitsPart = elements(logits, first * vocab, count * vocab);
    if (rest) {
      logSumExp(device, { x: logitsPart, out: rest, rows: count, columns: vocab, skip: [yesToken, noToken] });
    }
    device.recorder.dispatch(yesNoRowsKernel, {
      bindings: {
        logits: logitsPart,
        labels: elements(labels, first, count),
        rest,
        loss: elements(loss, first, count),
        score: elements(score, first, count),
        scalars,
      },
      parameters: { rows: count, vocab, yesToken, noToken, k, gradScale },
      constants: {
        KIND: kindNumbers[kind],
        BPR_ON_LOGIT: bprOn === 'logit',
        NEEDS_REST: usesVocabulary,
        WORKGROUP_SIZE: perRow.workgroupSize,
      },
      workgroups: perRow.workgroups,
    });
    if (gradLogits) {
      const spansPerRow = Math.ceil(vocab / span);
      const perSpan = planInvocations({ invocations: count * spansPerRow }, device.capabilities);
      device.recorder.dispatch(yesNoGradientKernel, {
        bindings: {
          logits: usesVocabulary ? logitsPart : undefined,
          scalars,
          gradLogits: elements(gradLogits, first * vocab, count * vocab),
        },
        parameters: { rows: count, vocab, spansPerRow, yesToken, noToken },
        constants: { KIND: kindNumbers[kind], NEEDS_LOGITS: usesVocabulary, WORKGROUP_SIZE: perSpan.workgroupSize },
        workgroups: perSpan.workgroups,
      });
    }
    if (rest) device.memory.releaseEarly(rest);
    device.memory.releaseEarly(scalars);
  }
}
