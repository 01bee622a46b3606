// Turns stored weights into f32 tensors: the file's bytes are uploaded, and the device widens them.
import type { Device } from '@crossgate/gpu';
import { defaultChunkBytes, dequantize, type StoredFormatName, storedFormats, type Tensor } from '@crossgate/tensor';
import type { ReadBuffers, WeightSource } from '../formats/source';

/**
 * The type from which the device widens this weight; undefined if the host must: odd shapes, rows larger than a
 * binding.
 */
function formatOnDevice(
  dtype: string,
  [columns = 0]: readonly number[],
  chunkBytes: number,
): StoredFormatName | undefined {
  if (!Object.hasOwn(storedFormats, dtype)) return undefined;
  const format = dtype as StoredFormatName;
  const { blockSize } = storedFormats[format];
  return columns % blockSize === 0 && columns % 4 === 0 && 4 * columns <= chunkBytes ? format : undefined;
}

/** Bytes of f32 of a chunk that takes 4 MiB as stored. */
export function chunkOf(dtype: string): number {
  if (!Object.hasOwn(storedFormats, dtype)) return defaultChunkBytes;
  const { blockSize, blockBytes } = storedFormats[dtype as StoredFormatName];
  return Math.floor((defaultChunkBytes * 4 * blockSize) / blockBytes);
}

/**
 * Fills a tensor with a weight of its shape.
 *
 * @param advance called with numbers of f32 bytes as they are written.
 * @throws InputError from the source; OutOfMemoryError when not even a chunk of stored bytes fits.
 */
export async function fillWide(
  { device, slice, shape }: Tensor,
  source: WeightSource,
  name: string,
  advance: (bytes: number) => void,
  buffers: ReadBuffers,
): Promise<void> {
  const { dtype } = source.tensors.get(name)!;
  const chunkBytes = Math.min(chunkOf(dtype), device.capabilities.limits.maxStorageBufferBindingSize - 256);
  const type = formatOnDevice(dtype, shape.slice(-1), chunkBytes);
  if (source.readStored && type) {
    const { blockSize, blockBytes } = storedFormats[type];
    const perValue = blockBytes / blockSize;
    await withBuffer(device, Math.min(slice.size, chunkBytes) * (perValue / 4), async (blocks) => {
      for await (const { offset, bytes } of source.readStored!(name, { chunkBytes, buffers })) {
        const count = bytes.length / perValue;
        device.recorder.write(blocks, bytes);
        dequantize(device, { type, blocks, out: slice, count, first: offset });
        advance(4 * count);
      }
    });
    return;
  }
  const write = (offset: number, data: ArrayBufferView) => {
    device.recorder.write({ ...slice, offset: slice.offset + 4 * offset, size: data.byteLength }, data);
    advance(data.byteLength);
  };
  if (source.readStored && dtype === 'F32') {
    for await (const { offset, bytes } of source.readStored(name, { buffers })) write(offset, bytes);
  } else for await (const { offset, data } of source.read(name)) write(offset, data);
}

/** Lends `body` a buffer of at least this many bytes. */
async function withBuffer(
  device: Device,
  bytes: number,
  body: (buffer: ReturnType<Device['memory']['persistent']>) => Promise<void>,
): Promise<void> {
  const buffer = device.memory.persistent(4 * Math.ceil(bytes / 4), 'loading');
  try {
    await body(buffer);
  } finally {
    device.memory.free(buffer);
  }
}
