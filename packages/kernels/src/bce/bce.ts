/** Binary cross entropy with logits: loss and gradient per row. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { planValues } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './bce.wgsl';

const bceKernel = defineKernel({
  name: 'bce',
  source,
  includes,
  bindings: {
    logits: { access: 'read', type: 'f32' },
    labels: { access: 'read', type: 'f32' },
    loss: { access: 'read_write', type: 'f32' },
    gradLogits: { access: 'read_write', type: 'f32', when: 'GRADIENT' },
  },
  parameters: { values: 'u32', gradScale: 'f32' },
  constants: { GRADIENT: false, ITEMS: 1, WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link bceWithLogits}. */
export interface BceArguments {
  /** f32 [rows] */
  readonly logits: BufferSlice;
  /** f32 [rows], in [0, 1] */
  readonly labels: BufferSlice;
  /** f32 [rows], not scaled */
  readonly loss: BufferSlice;
  /** f32 [rows], (σ(z) − y)·gradScale; left out when no gradient is needed. */
  readonly gradLogits?: BufferSlice | undefined;
  /** Number of logits; 0 does nothing. */
  readonly rows: number;
  /** Factor of the gradient, e.g. 1 / rows for a mean. Default 1. */
  readonly gradScale?: number;
}

/**
 * loss[r] = softplus(z) − y · z of logit z and label y: binary cross entropy, exact to rounding at any finite logit.
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function bceWithLogits(device: Device, args: BceArguments): void {
  const { logits, labels, loss, gradLogits, rows, gradScale = 1 } = args;
  if (rows === 0) return;
  requireSizes('bceWithLogits', { rows });
  for (const [name, slice] of Object.entries({ logits, labels, loss, gradLogits })) {
    if (slice) requireElements('bceWithLogits', name, slice, rows);
  }
  for (const { first, count } of rowRanges('bceWithLogits', device, rows, [1])) {
    const plan = planValues({ values: count }, device.capabilities);
    device.recorder.dispatch(bceKernel, {
      bindings: {
        logits: elements(logits, first, count),
        labels: elements(labels, first, count),
        loss: elements(loss, first, count),
        gradLogits: gradLogits && elements(gradLogits, first, count),
      },
      parameters: { values: count, gradScale },
      constants: { GRADIENT: gradLogits !== undefined, ITEMS: plan.items, WORKGROUP_SIZE: plan.workgroupSize },
      workgroups: plan.workgroups,
    });
  }
}
