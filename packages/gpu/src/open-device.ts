// Opening the GPU of a browser, in a page or a worker: what can be missing there has its own words.
import { isSoftwareAdapter } from './capabilities';
import { createDevice, type Device, type DeviceOptions } from './device';
import { NoAdapterError } from './errors';

/** How {@link openDevice} chooses and opens an adapter of a browser. */
export interface BrowserDeviceOptions extends DeviceOptions {
  /**
   * `hardware` refuses a program on the CPU, `software` asks for one. Default: what the browser thinks fastest, which is
   * software where there is nothing else; `device.capabilities.software` tells.
   */
  readonly adapter?: 'hardware' | 'software';
  /** The entry point to WebGPU. Default: `navigator.gpu`, which pages and workers have. */
  readonly gpu?: GPU | undefined;
}

/** What a page, a worker or Node may have: these types are compiled without any of them. */
const place = globalThis as {
  readonly navigator?: { readonly gpu?: GPU };
  readonly isSecureContext?: boolean;
  readonly process?: { readonly versions?: { readonly node?: string } };
};

/** Why this place has no WebGPU, and what to do about it. */
function withoutWebGpu(): NoAdapterError {
  // Node has a navigator too.
  if (place.navigator === undefined || place.process?.versions?.node !== undefined) {
    return new NoAdapterError('this is no browser', { fix: 'in Node, import openDevice from @crossgate/gpu/node' });
  }
  if (!place.isSecureContext) {
    return new NoAdapterError('this page came over an insecure connection, where browsers have no WebGPU', {
      fix: 'serve it over HTTPS or from localhost',
    });
  }
  return new NoAdapterError('this browser has no WebGPU, or it is switched off', {
    fix: 'use a current Chrome, Edge, Firefox or Safari; on Linux, Chrome may need chrome://flags/#enable-unsafe-webgpu',
  });
}

/**
 * Opens a device in a browser, in a page or in a worker.
 *
 * @throws NoAdapterError where there is no WebGPU or no adapter that fits, saying which and what to do; OperationError of
 *   WebGPU when the adapter gives no device.
 */
export async function openDevice(options: BrowserDeviceOptions = {}): Promise<Device> {
  const gpu = options.gpu ?? place.navigator?.gpu;
  if (!gpu) throw withoutWebGpu();
  const { adapter: kind } = options;
  const adapter = await gpu.requestAdapter(
    kind === 'software' ? { forceFallbackAdapter: true } : { powerPreference: 'high-performance' },
  );
  if (adapter === null) {
    throw new NoAdapterError(`the browser has WebGPU, but no ${kind ?? 'GPU'} adapter for it`, {
      fix: 'see chrome://gpu or about:support for the reason: an old driver, or a GPU that the browser does not trust',
    });
  }
  const isSoftware = isSoftwareAdapter(adapter.info);
  if (kind !== undefined && isSoftware !== (kind === 'software')) {
    throw new NoAdapterError(`the browser has no ${kind} adapter`, { fix: 'leave the option adapter out' });
  }
  return createDevice(gpu, adapter, options);
}
