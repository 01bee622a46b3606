// A model's weights on their way from a source to the device.
import type { Device } from '@crossgate/gpu';
import { type LinearWeight, persistent, persistentQuantized, releaseWeight } from '@crossgate/tensor';
import { expectedTensors, isLinearWeight, type LlamaConfig } from '../config';
import { bitsOfType, type QuantizedBits, quantizeRows, splitBlocks } from '../formats/quantize';
import type { WeightSource } from '../formats/source';

/**
 * How the linear layers of the blocks are kept on the device; everything else is f32.
 * - `stored`: layers stored as Q8_0 or Q4_0 stay so, others are widened to f32. Computes the same as `f32`.
 * - `f32`: widened.
 * - `int8`, `int4`: quantised in blocks of 32 with f16 scales.
 */
export type WeightStorage = 'stored' | 'f32' | 'int8' | 'int4';

export interface LoadOptions {
  /** Default `stored`. */
  readonly weights?: WeightStorage;
  /** Called after each chunk with the bytes on the device so far and in all. */
  readonly onProgress?: (loaded: number, total: number) => void;
}

/** Bits a value that a weight takes on the device, 32 for f32. Pure. */
export function bitsOnDevice(name: string, dtype: string, storage: WeightStorage): QuantizedBits | 32 {
  if (storage === 'f32' || !isLinearWeight(name)) return 32;
  if (storage === 'stored') return bitsOfType(dtype) ?? 32;
  return storage === 'int8' ? 8 : 4;
}

/** Bytes of a tensor on the device, scales included. */
export function bytesOnDevice(shape: readonly number[], bits: QuantizedBits | 32): number {
  if (bits === 32) return 4 * shape.reduce((product, length) => product * length, 1);
  const [rows = 0, columns = 0] = shape;
  const blocks = rows * Math.ceil(columns / 32);
  return 4 * bits * blocks + 4 * Math.ceil(blocks / 2);
}

/** Bytes on the device of a model's weights, of which only the shapes and stored types are looked at. */
export function weightBytes(
  config: LlamaConfig,
  storage: WeightStorage,
  dtypeOf: (name: string) => string = () => 'F32',
): number {
  let bytes = 0;
  for (const [name, shape] of expectedTensors(config)) {
    bytes += bytesOnDevice(shape, bitsOnDevice(name, dtypeOf(name), storage));
  }
  return bytes;
}

/**
 * Streams weights to the device; the host holds a few megabytes at a time.
 *
 * @throws InputError from the source, and naming a weight that cannot be quantised; OutOfMemoryError with the sizes. Nothing
 * stays allocated then.
 */
export async function loadWeights(
  device: Device,
  source: WeightSource,
  { weights: storage = 'stored', onProgress }: LoadOptions,
): Promise<Map<string, LinearWeight>> {
  const dtypeOf = (name: string) => source.tensors.get(name)?.dtype ?? 'F32';
  const total = weightBytes(source.config, storage, dtypeOf);
  let loaded = 0;
  const advance = (bytes: number) => {
    loaded += bytes;
    onProgress?.(loaded, total);
  };
  const weights = new Map<string, LinearWeight>();
  try {
    for (const [name, { shape, dtype }] of source.tensors) {
      const bits = bitsOnDevice(name, dtype, storage);
      if (bits === 32) {
        const tensor = persistent(device, shape, 'weights');
        weights.set(name, tensor);
        for await (const { offset, data } of source.read(name)) {
          device.recorder.write(
            { ...tensor.slice, offset: tensor.slice.offset + 4 * offset, size: data.byteLength },
            data,
          );
          advance(data.byteLength);
        }
      } else {
        const weight = persistentQuantized(device, [shape[0]!, shape[1]!], bits, 'weights');
        weights.set(name, weight);
        // Two scales share a word, so they are written when all are there.
        const scales = new Uint16Array(weight.scales.size / 2);
        let blocks = 0;
        for await (const bytes of quantizedRows(source, name, bits)) {
          const part = splitBlocks(bits, bytes);
          const { storage: buffer, offset } = weight.quants;
          const size = part.quants.byteLength;
          device.recorder.write({ storage: buffer, offset: offset + 4 * bits * blocks, size }, part.quants);
          scales.set(part.scales, blocks);
          blocks += part.scales.length;
          advance(size);
        }
        device.recorder.write(weight.scales, scales);
        advance(scales.byteLength);
      }
    }
  } catch (error) {
    for (const weight of weights.values()) releaseWeight(weight);
    throw error;
  }
  return weights;
}

/** The blocks of a linear layer, whole rows at a time: as they are stored where the bits agree, else made from its values. */
export async function* quantizedRows(
  source: WeightSource,
  name: string,
  bits: QuantizedBits,
): AsyncGenerator<Uint8Array> {
  const { dtype, shape } = source.tensors.get(name)!;
  if (bitsOfType(dtype) === bits && source.readStored) {
    for await (const { bytes } of source.readStored(name)) yield bytes;
    return;
  }
  for await (const { data } of source.read(name)) {
    try {
      yield quantizeRows(bits, data, shape[1]!);
    } catch (error) {
      if (error instanceof Error && error.name === 'InputError') error.message = `weight ${name}: ${error.message}`;
      throw error;
    }
  }
}
