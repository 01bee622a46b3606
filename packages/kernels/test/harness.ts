/** What every kernel test needs: a device, data on it and back, and the configurations each kernel must survive. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { type OpenOptions, openDevice } from '@crossgate/gpu/node';
import type { Reference } from '@crossgate/testing';
import { toFloat32 } from '@crossgate/testing';

/**
 * Device options under which a kernel's tests run: as the adapter is, with low limits and memory full of NaN, and without
 * immediates.
 */
export const deviceConfigurations: readonly { readonly name: string; readonly options: OpenOptions }[] = [
  { name: "the adapter's own limits", options: {} },
  {
    name: 'low limits',
    options: {
      debug: true,
      limits: {
        maxComputeWorkgroupsPerDimension: 16,
        maxStorageBufferBindingSize: 16_384,
        maxStorageBuffersPerShaderStage: 8,
      },
    },
  },
  { name: 'parameters in a uniform buffer', options: { immediates: false } },
];

/** Runs `body` in one step of a fresh device and destroys the device afterwards, whatever happens. */
export async function withDevice<T>(body: (device: Device) => Promise<T>, options: OpenOptions = {}): Promise<T> {
  const device = await openDevice(options);
  try {
    const step = device.step();
    const result = await body(device);
    step.end();
    await device.recorder.synchronize();
    return result;
  } finally {
    device.destroy();
  }
}

/** A new step buffer with these contents; a float64 reference is rounded to f32. */
export function upload(device: Device, data: Float32Array | Uint32Array | Int32Array | Reference): BufferSlice {
  const array = ArrayBuffer.isView(data) ? data : toFloat32(data);
  const slice = device.memory.allocate(array.byteLength);
  device.recorder.write(slice, array);
  return slice;
}

/** A new step buffer of `count` f32 filled with a value no kernel produces, so that what is not written shows. */
export function uploadFilled(device: Device, count: number, value = -12345.678): BufferSlice {
  return upload(device, new Float32Array(count).fill(value));
}

/** The f32 values of a slice, after everything recorded before. */
export async function download(device: Device, slice: BufferSlice): Promise<Float32Array> {
  return new Float32Array(await device.recorder.read(slice));
}

/** The u32 values of a slice, after everything recorded before. */
export async function downloadIntegers(device: Device, slice: BufferSlice): Promise<Uint32Array> {
  return new Uint32Array(await device.recorder.read(slice));
}
