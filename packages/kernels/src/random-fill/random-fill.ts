/** Random contents made on the device from a seed: weights of any size without a file and without the host's time. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import philox from '../dropout/philox.wgsl';
import { includes } from '../include';
import { planValues } from '../plan';
import { elements, rowRanges } from '../slices';
import source from './random-fill.wgsl';

const kinds = { words: 0, f16: 16, f32: 32 } as const;

const randomFillKernel = defineKernel({
  name: 'random-fill',
  source,
  includes: { ...includes, philox },
  bindings: { out: { access: 'read_write', type: 'vec4<u32>' } },
  parameters: { values: 'u32', firstBlock: 'u32', seed: 'u32', stream: 'u32', low: 'f32', width: 'f32' },
  constants: { KIND: kinds.words, ITEMS: 1, WORKGROUP_SIZE: 64 },
});

/** Arguments of {@link randomFill}. */
export interface RandomFillArguments {
  /** Whole blocks of 16 bytes. */
  readonly out: BufferSlice;
  /** `words`: 32 random bits each. `f32`, `f16`: numbers from `low` on, below `high`. */
  readonly kind: 'words' | 'f32' | 'f16';
  /** Least number; of no use to `words`. Default −1. */
  readonly low?: number;
  /** Bound of the numbers, above `low`; rounding to f16 may reach it. Default 1. */
  readonly high?: number;
  /** u32, one per model. */
  readonly seed: number;
  /** u32, one per tensor. */
  readonly stream: number;
}

/**
 * Fills a slice with random contents: the same for the same seed and stream, whatever the bindings' limit. Word w comes of
 * word w % 4 of `philox4x32([w / 4, 0, stream, 2], [seed, 0x43524f53])`: as it is; as the f32
 * low + (high − low) · (word >> 8) / 2²⁴; or as two f16, low + (high − low) · h / 2¹⁶ of its lower and upper 16 bits h.
 *
 * @throws InputError when the slice is no whole number of blocks, and when `high` is not above `low`.
 */
export function randomFill(device: Device, args: RandomFillArguments): void {
  const { out, kind, low = -1, high = 1, seed, stream } = args;
  if (out.size % 16 !== 0)
    throw new InputError(`randomFill: "out" holds ${out.size} bytes, a multiple of 16 is needed`);
  if (!(high > low)) throw new InputError(`randomFill: high is ${high}, a number above low, ${low}, is needed`);
  for (const { first, count } of rowRanges('randomFill', device, out.size / 16, [4])) {
    const { workgroupSize, items, workgroups } = planValues({ values: count }, device.capabilities);
    device.recorder.dispatch(randomFillKernel, {
      bindings: { out: elements(out, 4 * first, 4 * count) },
      parameters: { values: count, firstBlock: first, seed, stream, low, width: high - low },
      constants: { KIND: kinds[kind], ITEMS: items, WORKGROUP_SIZE: workgroupSize },
      workgroups,
    });
  }
}
