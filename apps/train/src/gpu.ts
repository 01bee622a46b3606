/** Opens the GPU that the user asked for, and says so when it is a slow one. */
import type { Device } from '@crossgate/gpu';
import type { Logger } from './log';

/**
 * Opens a device.
 * @param adapter `--adapter`; undefined: CROSSGATE_ADAPTER, else the fastest
 * @throws NoAdapterError when none fits
 */
export async function openGpu(adapter: string | undefined, log: Logger): Promise<Device> {
  // Loaded here, so that commands without a GPU start without loading Dawn.
  const { openDevice } = await import('@crossgate/gpu/node');
  const device = await openDevice(adapter === undefined ? {} : { adapter });
  const { name, software } = device.capabilities;
  if (software) log.warn(`using ${name}, a software adapter: a program on the CPU, slow`);
  else log.info(`using ${name}`);
  return device;
}
