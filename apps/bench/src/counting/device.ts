/** A device that runs nothing: what a program would record on a GPU of given capabilities, and the memory it would take. */
import {
  type Capabilities,
  Device,
  type DispatchArguments,
  InputError,
  type Kernel,
  type KernelDeclaration,
} from '@crossgate/gpu';

/** Called with every dispatch, in the order of recording. */
export type Seen = (declaration: KernelDeclaration, args: DispatchArguments) => void;

/**
 * A device whose launchers choose what they would choose on an adapter of these capabilities. Buffers have sizes and no
 * memory, and nothing is compiled, so a model of any size is counted in seconds. Nothing can be read back.
 *
 * @param seen gets every dispatch.
 * @returns a device without a budget; `memory.report()` counts as on a real one. It need not be destroyed.
 */
export function countingDevice(capabilities: Capabilities, seen: Seen): Device {
  const nothing = () => {};
  const gpu = {
    addEventListener: nothing,
    lost: new Promise(nothing),
    createBuffer: ({ size }: GPUBufferDescriptor) => ({ size, destroy: nothing }),
    createCommandEncoder: () => ({ clearBuffer: nothing, copyBufferToBuffer: nothing, finish: () => ({}) }),
    queue: { submit: nothing, writeBuffer: nothing, onSubmittedWorkDone: () => Promise.resolve() },
  };
  // Parameters as immediates and no timestamps: neither changes what is dispatched, and both would ask more of the device.
  const device = new Device(gpu as unknown as GPUDevice, { ...capabilities, immediateSize: 64, timestamps: false }, {});
  const limit = capabilities.limits.maxStorageBufferBindingSize;
  device.recorder.dispatch = <D extends KernelDeclaration>({ declaration }: Kernel<D>, args: DispatchArguments<D>) => {
    const plain = args as unknown as DispatchArguments;
    for (const [name, slice] of Object.entries(plain.bindings)) {
      if (slice && slice.size > limit) {
        throw new InputError(
          `kernel ${declaration.name}: "${name}" has ${slice.size} bytes, the adapter binds at most ${limit}`,
          { code: 'gpu.limit' },
        );
      }
    }
    if (args.workgroups > 0) seen(declaration, plain);
  };
  return device;
}
