/** SwiGLU, the gated activation of LLaMA's feed-forward layers, forward and backward. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { elementParts } from '../element-parts';
import { includes } from '../include';
import { elementConstants } from '../plan';
import source from './swiglu.wgsl';
import backwardSource from './swiglu-backward.wgsl';

const forward = defineKernel({
  name: 'swiglu',
  source,
  includes,
  constants: elementConstants,
  bindings: {
    gate: { access: 'read', type: 'Value' },
    up: { access: 'read', type: 'Value' },
    out: { access: 'read_write', type: 'Value' },
  },
  parameters: { values: 'u32' },
});

const backward = defineKernel({
  name: 'swiglu-backward',
  source: backwardSource,
  includes,
  constants: elementConstants,
  bindings: {
    gate: { access: 'read', type: 'Value' },
    up: { access: 'read', type: 'Value' },
    gradOut: { access: 'read', type: 'Value' },
    gradGate: { access: 'read_write', type: 'Value' },
    gradUp: { access: 'read_write', type: 'Value' },
  },
  parameters: { values: 'u32' },
});

/** Arguments of {@link swiglu}. */
export interface SwigluArguments {
  /** f32 [count], of any shape. */
  readonly gate: BufferSlice;
  /** f32 [count] */
  readonly up: BufferSlice;
  /** f32 [count]; another buffer than gate and up. */
  readonly out: BufferSlice;
  /** Elements of each slice, at least 1. */
  readonly count: number;
}

/**
 * out = silu(gate) ⊙ up (Shazeer, 2020).
 *
 * @throws InputError when a slice is smaller than `count` elements.
 */
export function swiglu(device: Device, { gate, up, out, count }: SwigluArguments): void {
  for (const { values, ...part } of elementParts('swiglu', device, count, { gate, up, out })) {
    device.recorder.dispatch(forward, { ...part, parameters: { values } });
  }
}

/** Arguments of {@link swigluBackward}. */
export interface SwigluBackwardArguments {
  /** The input of the forward pass, f32 [count]. */
  readonly gate: BufferSlice;
  /** The input of the forward pass, f32 [count]. */
  readonly up: BufferSlice;
  /** f32 [count] */
  readonly gradOut: BufferSlice;
  /** Gradient with respect to gate, f32 [count], written. */
  readonly gradGate: BufferSlice;
  /** Gradient with respect to up, f32 [count], written. */
  readonly gradUp: BufferSlice;
  /** Elements of each slice, at least 1. */
  readonly count: number;
}

/**
 * Gradients of {@link swiglu} with respect to both inputs.
 *
 * @throws InputError when a slice is smaller than `count` elements.
 */
export function swigluBackward(device: Device, args: SwigluBackwardArguments): void {
  const { gate, up, gradOut, gradGate, gradUp, count } = args;
  const slices = { gate, up, gradOut, gradGate, gradUp };
  for (const { values, ...part } of elementParts('swigluBackward', device, count, slices)) {
    device.recorder.dispatch(backward, { ...part, parameters: { values } });
  }
}
