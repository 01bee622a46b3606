// State dicts as safetensors files: encoding and parsing, free of any platform.
import type { ByteSource } from './byte-source';
import { encodeSafetensors, readSafetensorsHeader, readTensorFloats } from './safetensors';
import type { HostState } from './state';

/**
 * Encodes a state dict as an F32 safetensors file, with the tensors in the order of the map. Yields the file piece by
 * piece; write it with `writeAtomic` of `@crossgate/files`.
 *
 * @param metadata strings for the file's `__metadata__`.
 * @throws as `encodeSafetensors` does.
 */
export function encodeState(
  state: HostState,
  metadata?: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void, undefined> {
  return encodeSafetensors(
    [...state].map(([name, { shape, data }]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
    metadata,
  );
}

/**
 * Reads all tensors of a safetensors file (F32, F16 or BF16) as f32, and the file's `__metadata__`.
 *
 * @throws InputError naming the file when it is damaged or holds a tensor of another dtype.
 */
export async function parseState(
  source: ByteSource,
): Promise<{ state: HostState; metadata: Readonly<Record<string, string>> }> {
  const { tensors, metadata } = await readSafetensorsHeader(source);
  const state: HostState = new Map();
  for (const tensor of tensors.values()) {
    state.set(tensor.name, { shape: tensor.shape, data: await readTensorFloats(source, tensor) });
  }
  return { state, metadata };
}
