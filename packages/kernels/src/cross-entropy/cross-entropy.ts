/** Cross entropy of token ids: loss and gradient per row. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { logSumExp } from '../log-sum-exp/log-sum-exp';
import { planInvocations } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import gradientSource from './gradient.wgsl';
import lossSource from './loss.wgsl';

/** The target of a row that is left out. */
export const ignoredTarget = 0xffffffff;

/** Neighboring logits that an invocation handles: few enough for hardware to read whole cache lines. */
const span = 4;

const crossEntropyLossKernel = defineKernel({
  name: 'cross-entropy-loss',
  source: lossSource,
  includes,
  bindings: {
    logits: { access: 'read', type: 'f32' },
    targets: { access: 'read', type: 'u32' },
    logSumExp: { access: 'read', type: 'f32' },
    loss: { access: 'read_write', type: 'f32' },
  },
  parameters: { rows: 'u32', vocab: 'u32' },
  constants: { WORKGROUP_SIZE: 64 },
});

const crossEntropyGradientKernel = defineKernel({
  name: 'cross-entropy-gradient',
  source: gradientSource,
  includes,
  bindings: {
    logits: { access: 'read', type: 'f32' },
    targets: { access: 'read', type: 'u32' },
    logSumExp: { access: 'read', type: 'f32' },
    gradLogits: { access: 'read_write', type: 'f32' },
  },
  parameters: { rows: 'u32', vocab: 'u32', spansPerRow: 'u32', gradScale: 'f32' },
  constants: { WORKGROUP_SIZE: 64, SPAN: span },
});

/** Arguments of {@link crossEntropy}. */
export interface CrossEntropyArguments {
  /** f32 [rows, vocab] */
  readonly logits: BufferSlice;
  /** u32 [rows]; 0xffffffff leaves a row out (loss and gradient 0). */
  readonly targets: BufferSlice;
  /** f32 [rows], not scaled */
  readonly loss: BufferSlice;
  /** f32 [rows, vocab]; left out when no gradient is needed. */
  readonly gradLogits?: BufferSlice | undefined;
  /** Rows of the logits; 0 does nothing. */
  readonly rows: number;
  /** Columns of the logits, at least 1. */
  readonly vocab: number;
  /** Factor of the gradient, e.g. 1 / rows for a mean. Default 1. */
  readonly gradScale?: number;
}

/**
 * loss[r] = −log softmax(logits[r])[targets[r]] and its gradient.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function crossEntropy(device: Device, args: CrossEntropyArguments): void {
  const { logits, targets, loss, gradLogits, rows, vocab, gradScale = 1 } = args;
  if (rows === 0) return;
  requireSizes('crossEntropy', { rows, vocab });
  requireElements('crossEntropy', 'logits', logits, rows * vocab);
  requireElements('crossEntropy', 'targets', targets, rows);
  requireElements('crossEntropy', 'loss', loss, rows);
  if (gradLogits) requireElements('crossEntropy', 'gradLogits', gradLogits, rows * vocab);
  for (const { first, count } of rowRanges('crossEntropy', device, rows, [vocab, 1])) {
    const perRow = planInvocations({ invocations: count }, device.capabilities);
    const normalizer = device.memory.allocate(4 * count);
    const part = {
      logits: elements(logits, first * vocab, count * vocab),
      targets: elements(targets, first, count),
      logSumExp: normalizer,
    };
    logSumExp(device, { x: part.logits, out: normalizer, rows: count, columns: vocab });
    device.recorder.dispatch(crossEntropyLossKernel, {
      bindings: { ...part, loss: elements(loss, first, count) },
      parameters: { rows: count, vocab },
      constants: { WORKGROUP_SIZE: perRow.workgroupSize },
      workgroups: perRow.workgroups,
    });
    if (gradLogits) {
      const spansPerRow = Math.ceil(vocab / span);
      const perSpan = planInvocations({ invocations: count * spansPerRow }, device.capabilities);
      device.recorder.dispatch(crossEntropyGradientKernel, {
        bindings: { ...part, gradLogits: elements(gradLogits, first * vocab, count * vocab) },
        parameters: { rows: count, vocab, spansPerRow, gradScale },
        constants: { WORKGROUP_SIZE: perSpan.workgroupSize },
        workgroups: perSpan.workgroups,
      });
    }
    device.memory.releaseEarly(normalizer);
  }
}
