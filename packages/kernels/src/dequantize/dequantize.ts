/** Stored weights, floats of 16 bits or ggml's quantized blocks, widened to f32 on the device. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { defineKernel, InputError } from '@crossgate/gpu';
import { includes } from '../include';
import { planInvocations } from '../plan';
import { elements, requireElements, requireSizes } from '../slices';
import source from './dequantize.wgsl';

const dequantizeKernel = defineKernel({
  name: 'dequantize',
  source,
  includes,
  bindings: {
    blocks: { access: 'read', type: 'u32' },
    out: { access: 'read_write', type: 'vec4<f32>' },
  },
  parameters: { runs: 'u32', vectors: 'u32', first: 'u32' },
  constants: { FORMAT: 0, BITS: 0, MINIMUM: false, RUNS: 1, BLOCK_BYTES: 64, WORKGROUP_SIZE: 64 },
});

interface StoredFormat {
  /** Values and bytes of a block; floats have blocks of one. */
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly format: number;
  readonly bits?: number;
  readonly minimum?: boolean;
}

/** Types that are widened on the device, by ggml's names. */
export const storedFormats = {
  F16: { blockSize: 1, blockBytes: 2, format: 0 },
  BF16: { blockSize: 1, blockBytes: 2, format: 1 },
  Q8_0: { blockSize: 32, blockBytes: 34, format: 2 },
  Q4_0: { blockSize: 32, blockBytes: 18, format: 3, bits: 4 },
  Q4_1: { blockSize: 32, blockBytes: 20, format: 3, bits: 4, minimum: true },
  Q5_0: { blockSize: 32, blockBytes: 22, format: 3, bits: 5 },
  Q5_1: { blockSize: 32, blockBytes: 24, format: 3, bits: 5, minimum: true },
  Q4_K: { blockSize: 256, blockBytes: 144, format: 4, bits: 4 },
  Q5_K: { blockSize: 256, blockBytes: 176, format: 4, bits: 5 },
  Q6_K: { blockSize: 256, blockBytes: 210, format: 6 },
} as const satisfies Record<string, StoredFormat>;

/** A type of {@link storedFormats}. */
export type StoredFormatName = keyof typeof storedFormats;

/** Arguments of {@link dequantize}. */
export interface DequantizeArguments {
  /** How the values are stored. */
  readonly type: StoredFormatName;
  /** Whole blocks, from the first byte on; more than one binding is fine. */
  readonly blocks: BufferSlice;
  /** f32; larger than one binding is fine. */
  readonly out: BufferSlice;
  /** Values to widen: whole blocks, and a multiple of 4. */
  readonly count: number;
  /** Where in `out` the values go, in elements; a multiple of 4. Default 0. */
  readonly first?: number;
}

/**
 * out[first + i] = value i of the blocks, to the bit what ggml makes of them.
 *
 * @throws InputError when a slice is too small, or counts are no multiples as said above.
 */
export function dequantize(device: Device, { type, blocks, out, count, first = 0 }: DequantizeArguments): void {
  if (count === 0) return;
  requireSizes('dequantize', { count });
  const { blockSize, blockBytes, format, bits, minimum }: StoredFormat = storedFormats[type];
  if (count % blockSize !== 0 || count % 4 !== 0 || first % 4 !== 0) {
    throw new InputError(
      `dequantize: ${count} values from ${first} on are no whole vectors of four, or blocks of ${type}`,
    );
  }
  requireElements('dequantize', 'blocks', blocks, Math.ceil(((count / blockSize) * blockBytes) / 4));
  requireElements('dequantize', 'out', out, first + count);
  // Bindings begin at multiples of 256 bytes, and so does every 128th block: blocks have an even number of bytes.
  const limit = device.capabilities.limits.maxStorageBufferBindingSize;
  const unit = 128 * blockSize;
  const most = Math.max(unit, Math.floor((limit - 256) / (4 * unit)) * unit);
  for (let start = 0; start < count; start += most) {
    const values = Math.min(most, count - start);
    const base = first + start - (first % 64);
    const runs = Math.ceil(values / 32);
    const { workgroupSize, workgroups } = planInvocations({ invocations: runs }, device.capabilities);
    const words = Math.ceil(((values / blockSize) * blockBytes) / 4);
    device.recorder.dispatch(dequantizeKernel, {
      bindings: {
        blocks: elements(blocks, ((start / blockSize) * blockBytes) / 4, words),
        out: elements(out, base, (first % 64) + values),
      },
      parameters: { runs, vectors: values / 4, first: (first % 64) / 4 },
      constants: {
        FORMAT: format,
        BITS: bits ?? 0,
        MINIMUM: minimum ?? false,
        RUNS: Math.max(1, blockSize / 32),
        BLOCK_BYTES: blockBytes,
        WORKGROUP_SIZE: workgroupSize,
      },
      workgroups,
    });
  }
}
