// Loads a model's weights from a source to the device.
import type { Device } from '@crossgate/gpu';
import {
  float32ToFloat16,
  type HalfWeight,
  InputError,
  type LinearWeight,
  persistent,
  persistentHalf,
  persistentQuantized,
  type QuantizedWeight,
  quantizedLayout,
  releaseWeight,
  Tensor,
} from '@crossgate/tensor';
import { expectedTensors, isLinearWeight, isTokenWeight, type LlamaConfig } from '../config';
import { BlockPacker, isPackedType, type PackedType, packedFormat } from '../formats/pack';
import { bitsOfType, bitsOfWeight, type QuantizedBits, quantizeRows } from '../formats/quantize';
import { ReadBuffers, type WeightSource } from '../formats/source';
import { chunkOf, fillWide } from './widen';

/**
 * How linear layers, embeddings and head are stored on the device. Norms and biases are f32.
 *
 * - `stored`: weights of 16 bits and ggml's blocks stay as they are stored, f32 is f32. It computes the same as `f32`,
 *   to the bit if the widened matrix fits one binding: `matmul` divides larger ones at other places, and sums round
 *   differently.
 * - `f32`: widened.
 * - `f16`: rounded to IEEE halves.
 * - `int8`, `int4`: quantized in blocks of 32 with f16 scales; embeddings and head to 8 bits in both.
 */
export type WeightStorage = 'stored' | 'f32' | 'f16' | 'int8' | 'int4';

/** Settings of `LlamaModel.load`. */
export interface LoadOptions {
  /** How matrices are stored on the device. Default `stored`. */
  readonly weights?: WeightStorage;
  /** Called after each chunk with the bytes on the device so far and in all. */
  readonly onProgress?: (loaded: number, total: number) => void;
}

/** Type of a weight on the device: of floats, or of its blocks. */
type Kept = 'f32' | 'f16' | 'bf16' | PackedType;

function keptAs(name: string, dtype: string, storage: WeightStorage): Kept {
  if (storage === 'f32' || !(isLinearWeight(name) || isTokenWeight(name))) return 'f32';
  if (storage === 'f16') return 'f16';
  if (storage !== 'stored') {
    const bits = storage === 'int8' ? 8 : 4;
    // Blocks that are there are not made again, not even those of embeddings, which otherwise get 8 bits.
    const kept = bitsOfType(dtype) === bits ? bits : bitsOfWeight(name, bits);
    return kept === undefined ? 'f32' : typeOfBits(kept);
  }
  if (dtype === 'F16') return 'f16';
  if (dtype === 'BF16') return 'bf16';
  return isPackedType(dtype) ? dtype : 'f32';
}

/** The type of the blocks that are made here, by bits per value. */
const typeOfBits = (bits: QuantizedBits) => (bits === 8 ? 'Q8_0' : 'Q4_0');

/** Bytes of a tensor on the device, scales and padding included. */
function bytesOnDevice(shape: readonly number[], kept: Kept): number {
  if (kept === 'f32') return 4 * shape.reduce((product, length) => product * length, 1);
  const [rows = 0, columns = 0] = shape;
  if (kept === 'f16' || kept === 'bf16') return 2 * rows * 4 * Math.ceil(columns / 4);
  const { bits, scaling } = packedFormat(kept);
  const { quantWordsPerRow, scaleWordsPerRow } = quantizedLayout(columns, bits, scaling);
  return 4 * (rows * quantWordsPerRow + Math.ceil(rows * scaleWordsPerRow));
}

/**
 * Bytes of a model's weights on the device, computed from shapes and stored types alone.
 *
 * @param dtypeOf stored type of a weight by its name. Default: F32 for all.
 */
export function weightBytes(
  config: LlamaConfig,
  storage: WeightStorage,
  dtypeOf: (name: string) => string = () => 'F32',
): number {
  let bytes = 0;
  for (const [name, shape] of expectedTensors(config)) {
    bytes += bytesOnDevice(shape, keptAs(name, dtypeOf(name), storage));
  }
  return bytes;
}

/**
 * Streams weights to the device. The host holds a few megabytes at a time, and the scales of the largest weight of
 * blocks (41 MB for a head of 128,000 x 4,096 in Q6_K).
 *
 * @throws InputError from the source, and naming a weight that cannot be quantized; OutOfMemoryError with the sizes.
 * Nothing is left allocated then.
 */
export async function loadWeights(
  device: Device,
  source: WeightSource,
  { weights: storage = 'stored', onProgress }: LoadOptions,
): Promise<Map<string, LinearWeight>> {
  const dtypeOf = (name: string) => {
    const dtype = source.tensors.get(name)?.dtype ?? 'F32';
    // Other blocks than those that are made here cannot be made again from values.
    return isPackedType(dtype) && !bitsOfType(dtype) && !source.readStored ? 'F32' : dtype;
  };
  const total = weightBytes(source.config, storage, dtypeOf);
  let loaded = 0;
  const advance = (bytes: number) => {
    loaded += bytes;
    onProgress?.(loaded, total);
  };
  const weights = new Map<string, LinearWeight>();
  const [buffers, packer] = [new ReadBuffers(), new BlockPacker()];
  try {
    for (const [name, { shape }] of source.tensors) {
      const kept = keptAs(name, dtypeOf(name), storage);
      const weight = allocate(device, shape, kept);
      weights.set(name, weight);
      if (weight instanceof Tensor) await fillWide(weight, source, name, advance, buffers);
      else if (weight.bits === 16) await fillHalf(weight, source, name, advance, buffers);
      else {
        const type = kept as PackedType;
        await fillQuantized(weight, type, blocksOf(source, name, type, buffers), packer, advance);
      }
    }
  } catch (error) {
    for (const weight of weights.values()) releaseWeight(weight);
    throw error;
  }
  return weights;
}

function allocate(device: Device, shape: readonly number[], kept: Kept): LinearWeight {
  if (kept === 'f32') return persistent(device, shape, 'weights');
  const matrix = [shape[0]!, shape[1]!] as const;
  if (kept === 'f16' || kept === 'bf16') return persistentHalf(device, matrix, kept === 'bf16', 'weights');
  const { bits, scaling } = packedFormat(kept);
  return persistentQuantized(device, matrix, bits, 'weights', scaling);
}

/** Called with numbers of bytes as they reach the device. */
type Advance = (bytes: number) => void;

async function fillHalf(
  weight: HalfWeight,
  source: WeightSource,
  name: string,
  advance: Advance,
  buffers: ReadBuffers,
) {
  const { device, values, shape } = weight;
  const columns = shape[1];
  const padded = 4 * Math.ceil(columns / 4);
  for await (const { row, halves } of halfRows(source, name, weight.bfloat, buffers)) {
    const rows = halves.length / columns;
    let filled = halves;
    if (padded !== columns) {
      filled = new Uint16Array(rows * padded);
      for (let i = 0; i < rows; i++) filled.set(halves.subarray(i * columns, (i + 1) * columns), i * padded);
    }
    const size = filled.byteLength;
    device.recorder.write({ ...values, offset: values.offset + 2 * row * padded, size }, filled);
    advance(size);
  }
}

/** Rows of 16 bits per value: as stored if that is the type, else rounded. @throws InputError for values beyond f16. */
async function* halfRows(source: WeightSource, name: string, bfloat: boolean, buffers: ReadBuffers) {
  const { dtype, shape } = source.tensors.get(name)!;
  const columns = shape[1]!;
  if (dtype === (bfloat ? 'BF16' : 'F16') && source.readStored) {
    for await (const { offset, bytes } of source.readStored(name, { chunkBytes: chunkOf(dtype), buffers })) {
      // Views of pairs need an even offset, which a slice of a file need not have.
      const even = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
      const halves = new Uint16Array(even.buffer as ArrayBuffer, even.byteOffset, even.byteLength / 2);
      yield { row: offset / columns, halves };
    }
    return;
  }
  for await (const { offset, data } of source.read(name)) {
    const beyond = data.find((value) => !(Math.abs(value) < 65_520));
    if (beyond !== undefined) {
      throw new InputError(`weight ${name}: a value is ${beyond}, which f16 cannot hold`, {
        code: 'model.unsupported',
        fix: 'keep it as stored, or in f32',
      });
    }
    yield { row: offset / columns, halves: float32ToFloat16(data) };
  }
}

async function fillQuantized(
  { device, quants, scales }: QuantizedWeight,
  type: PackedType,
  blocks: AsyncIterable<Uint8Array>,
  packer: BlockPacker,
  advance: Advance,
) {
  packer.begin(scales?.size ?? 0);
  let offset = 0;
  for await (const bytes of blocks) {
    const part = packer.add(type, bytes);
    const size = part.byteLength;
    device.recorder.write({ ...quants, offset: quants.offset + offset, size }, part);
    offset += size;
    advance(size);
  }
  if (!scales) return;
  device.recorder.write(scales, packer.scales);
  advance(scales.size);
}

/**
 * The blocks of a weight, whole rows at a time: as stored if that is the type, else (Q8_0 and Q4_0) made from values.
 */
async function* blocksOf(
  source: WeightSource,
  name: string,
  type: PackedType,
  buffers?: ReadBuffers,
): AsyncGenerator<Uint8Array> {
  const { dtype, shape } = source.tensors.get(name)!;
  if (dtype === type && source.readStored) {
    const options = { chunkBytes: chunkOf(dtype), ...(buffers && { buffers }) };
    for await (const { bytes } of source.readStored(name, options)) yield bytes;
    return;
  }
  for await (const { data } of source.read(name)) {
    try {
      yield quantizeRows(bitsOfType(type)!, data, shape[1]!);
    } catch (error) {
      if (error instanceof InputError) error.message = `weight ${name}: ${error.message}`;
      throw error;
    }
  }
}

/** The blocks of a linear layer with this number of bits per value. */
export function quantizedRows(source: WeightSource, name: string, bits: QuantizedBits): AsyncGenerator<Uint8Array> {
  return blocksOf(source, name, typeOfBits(bits));
}
