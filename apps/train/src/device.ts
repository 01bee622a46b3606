/** The GPU of a command: opened as asked, announced when it is software. */
import type { Device } from '@crossgate/gpu';
import type { Logger } from './log';

/** Opens the adapter of `--adapter`, or the fastest. @throws NoAdapterError when there is none. */
export async function openCommandDevice(adapter: string | undefined, log: Logger): Promise<Device> {
  const { openDevice } = await import('@crossgate/gpu/node');
  const device = await openDevice(adapter === undefined ? {} : { adapter });
  const { name, software } = device.capabilities;
  if (software) log.info(`running on ${name}: software, so expect it to be slow`);
  else log.debug(`running on ${name}`);
  return device;
}
