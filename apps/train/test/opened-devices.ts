/** Every device that a command opens, for tests that spoil or measure it; they mock `@crossgate/gpu/node` by {@link watched}. */
import type { Device } from '@crossgate/gpu';

type GpuNode = typeof import('@crossgate/gpu/node');

/** `onOpen` is called with each device; a test sets it. */
export const opened: { onOpen: (device: Device) => void } = { onOpen: () => {} };

/** The module of the original, with devices that are shown to {@link opened}. */
export async function watched(original: () => Promise<unknown>): Promise<GpuNode> {
  const actual = (await original()) as GpuNode;
  return {
    ...actual,
    openDevice: async (...args) => {
      const device = await actual.openDevice(...args);
      opened.onOpen(device);
      return device;
    },
  };
}
