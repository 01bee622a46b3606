/** SwiGLU, the gated activation of LLaMA's feed-forward layers, forward and backward. */
import { type BufferSlice, type Device, defineKernel } from '@crossgate/gpu';
import { includes } from '../include';
import { planElements } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import source from './swiglu.wgsl';
import backwardSource from './swiglu-backward.wgsl';

const constants = { VECTOR: false, WORKGROUP_SIZE: 64, ITEMS: 1 };

const forwardKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source,
    includes,
    constants,
    bindings: { gate: { access: 'read', type }, up: { access: 'read', type }, out: { access: 'read_write', type } },
    parameters: { values: 'u32' },
  });

const backwardKernel = (name: string, type: string) =>
  defineKernel({
    name,
    source: backwardSource,
    includes,
    constants,
    bindings: {
      gate: { access: 'read', type },
      up: { access: 'read', type },
      gradOut: { access: 'read', type },
      gradGate: { access: 'read_write', type },
      gradUp: { access: 'read_write', type },
    },
    parameters: { values: 'u32' },
  });

const forward = { scalar: forwardKernel('swiglu', 'f32'), vector: forwardKernel('swiglu-vec4', 'vec4<f32>') };
const backward = {
  scalar: backwardKernel('swiglu-backward', 'f32'),
  vector: backwardKernel('swiglu-backward-vec4', 'vec4<f32>'),
};

export interface SwigluArguments {
  /** [count], any shape */
  readonly gate: BufferSlice;
  /** [count] */
  readonly up: BufferSlice;
  /** [count]; another buffer than gate and up. */
  readonly out: BufferSlice;
  readonly count: number;
}

/**
 * out = silu(gate) ⊙ up (Shazeer, 2020).
 *
 * @throws InputError when a slice is smaller than `count` elements.
 */
export function swiglu(device: Device, { gate, up, out, count }: SwigluArguments): void {
  requireSizes('swiglu', { count });
  requireElements('swiglu', 'gate', gate, count);
  requireElements('swiglu', 'up', up, count);
  requireElements('swiglu', 'out', out, count);
  for (const range of rowRanges('swiglu', device, count, [1])) {
    const plan = planElements(range.count, device.capabilities.software);
    const of = (slice: BufferSlice) => elements(slice, range.first, range.count);
    device.recorder.dispatch(plan.vector ? forward.vector : forward.scalar, {
      bindings: { gate: of(gate), up: of(up), out: of(out) },
      parameters: { values: plan.values },
      constants: { VECTOR: plan.vector, WORKGROUP_SIZE: plan.workgroupSize, ITEMS: plan.items },
      workgroups: plan.workgroups,
    });
  }
}

export interface SwigluBackwardArguments {
  /** Inputs of the forward pass, [count] each. */
  readonly gate: BufferSlice;
  readonly up: BufferSlice;
  /** [count] */
  readonly gradOut: BufferSlice;
  /** Results, [count] each. */
  readonly gradGate: BufferSlice;
  readonly gradUp: BufferSlice;
  readonly count: number;
}

/**
 * Gradients of {@link swiglu} with respect to both inputs.
 *
 * @throws InputError when a slice is smaller than `count` elements.
 */
export function swigluBackward(device: Device, args: SwigluBackwardArguments): void {
  const { gate, up, gradOut, gradGate, gradUp, count } = args;
  requireSizes('swigluBackward', { count });
  requireElements('swigluBackward', 'gate', gate, count);
  requireElements('swigluBackward', 'up', up, count);
  requireElements('swigluBackward', 'gradOut', gradOut, count);
  requireElements('swigluBackward', 'gradGate', gradGate, count);
  requireElements('swigluBackward', 'gradUp', gradUp, count);
  for (const range of rowRanges('swigluBackward', device, count, [1])) {
    const plan = planElements(range.count, device.capabilities.software);
    const of = (slice: BufferSlice) => elements(slice, range.first, range.count);
    device.recorder.dispatch(plan.vector ? backward.vector : backward.scalar, {
      bindings: { gate: of(gate), up: of(up), gradOut: of(gradOut), gradGate: of(gradGate), gradUp: of(gradUp) },
      parameters: { values: plan.values },
      constants: { VECTOR: plan.vector, WORKGROUP_SIZE: plan.workgroupSize, ITEMS: plan.items },
      workgroups: plan.workgroups,
    });
  }
}
