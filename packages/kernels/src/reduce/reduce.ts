/** Deterministic sums of whole arrays, and the factor of gradient clipping. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel } from '@crossgate/gpu';
import { type PlanCapabilities, planInvocations } from '../plan';
import { elements, requireElements, requireSizes, rowRanges } from '../slices';
import clipFactorSource from './clip-factor.wgsl';
import reduceSource from './reduce.wgsl';

/** Elements that an invocation adds up in one stage. */
const fanIn = 64;

const reduceKernel = defineKernel({
  name: 'reduce',
  source: reduceSource,
  bindings: { x: { access: 'read', type: 'f32' }, partials: { access: 'read_write', type: 'f32' } },
  parameters: { count: 'u32', width: 'u32', groups: 'u32', firstPartial: 'u32' },
  constants: { SQUARE: false, ACCUMULATE: false, FAN_IN: fanIn, WORKGROUP_SIZE: 64 },
});

const clipFactorKernel = defineKernel({
  name: 'clip-factor',
  source: clipFactorSource,
  bindings: { sumOfSquares: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
  parameters: { maxNorm: 'f32' },
});

/** One stage of a sum: `groups` workgroups of which `width` invocations each leave a partial sum. */
export interface ReducePlan {
  /** Invocations per workgroup. */
  readonly workgroupSize: number;
  /** Invocations of a workgroup that take part. */
  readonly width: number;
  /** Workgroups. */
  readonly groups: number;
}

/** Plans a stage over `count` elements. Pure. Always fewer partial sums than elements, one for up to 64. */
export function planReduce(shape: Pick<SumArguments, 'count'>, capabilities: PlanCapabilities): ReducePlan {
  const invocations = Math.ceil(shape.count / fanIn);
  const { workgroupSize } = planInvocations({ invocations }, capabilities);
  const width = Math.min(workgroupSize, invocations);
  return { workgroupSize, width, groups: Math.ceil(shape.count / (width * fanIn)) };
}

/** Arguments of {@link sum} and {@link sumOfSquares}. */
export interface SumArguments {
  /** f32 [count] */
  readonly x: BufferSlice;
  /** f32 [1] */
  readonly out: BufferSlice;
  /** Elements; of none the sum is 0. */
  readonly count: number;
  /** Add to `out` instead of replacing it. */
  readonly accumulate?: boolean;
}

/**
 * out[0] (+)= Σ x[i].
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function sum(device: Device, args: SumArguments): void {
  reduce(device, 'sum', args, false);
}

/**
 * out[0] (+)= Σ x[i]².
 *
 * @throws InputError when a slice is smaller than its shape.
 */
export function sumOfSquares(device: Device, args: SumArguments): void {
  reduce(device, 'sumOfSquares', args, true);
}

function reduce(device: Device, kernel: string, args: SumArguments, square: boolean): void {
  const { x, out, count, accumulate = false } = args;
  requireElements(kernel, 'out', out, 1);
  if (count === 0) {
    if (!accumulate) device.recorder.clear(elements(out, 0, 1));
    return;
  }
  requireSizes(kernel, { count });
  requireElements(kernel, 'x', x, count);
  let current = elements(x, 0, count);
  let remaining = count;
  let squareNow = square;
  for (;;) {
    const ranges = rowRanges(kernel, device, remaining, [1]).map((range) => ({
      ...range,
      ...planReduce(range, device.capabilities),
    }));
    const partialCount = ranges.reduce((total, { width, groups }) => total + width * groups, 0);
    const last = partialCount === 1;
    const partials = last ? elements(out, 0, 1) : device.memory.allocate(4 * partialCount);
    let firstPartial = 0;
    for (const { first, count: length, workgroupSize, width, groups } of ranges) {
      device.recorder.dispatch(reduceKernel, {
        bindings: { x: elements(current, first, length), partials },
        parameters: { count: length, width, groups, firstPartial },
        constants: { SQUARE: squareNow, ACCUMULATE: last && accumulate, WORKGROUP_SIZE: workgroupSize },
        workgroups: groups,
      });
      firstPartial += width * groups;
    }
    // Commands run in order, so a workspace may be handed on as soon as its reader is recorded.
    if (remaining !== count) device.memory.releaseEarly(current);
    if (last) return;
    current = partials;
    remaining = partialCount;
    squareNow = false;
  }
}

/** Arguments of {@link clipFactor}. */
export interface ClipFactorArguments {
  /** f32 [1], of all gradients together. */
  readonly sumOfSquares: BufferSlice;
  /** f32 [1], written; what `adam` takes as `gradientScale`. */
  readonly out: BufferSlice;
  /** Greatest norm that is left as it is, > 0. */
  readonly maxNorm: number;
}

/**
 * out[0] = min(1, maxNorm / √sumOfSquares[0]), for clipping by the global norm; 0 where the sum is not finite, for `adam`
 * then changes nothing.
 *
 * @throws InputError when a slice is empty.
 */
export function clipFactor(device: Device, args: ClipFactorArguments): void {
  requireElements('clipFactor', 'sumOfSquares', args.sumOfSquares, 1);
  requireElements('clipFactor', 'out', args.out, 1);
  device.recorder.dispatch(clipFactorKernel, {
    bindings: { sumOfSquares: elements(args.sumOfSquares, 0, 1), out: elements(args.out, 0, 1) },
    parameters: { maxNorm: args.maxNorm },
    workgroups: 1,
  });
}
