/** Devices that are opened one after the other give their memory back. */
import { describe, expect, it } from 'vitest';
import { listAdapters, openDevice } from '../src/node';

const adapters = await listAdapters();
const bufferBytes = 16 * 2 ** 20;

// A software adapter keeps its buffers in the memory of the process, where they can be counted.
describe.skipIf(adapters[0]?.type !== 'software')('twenty devices in a row', () => {
  async function open(wait: boolean): Promise<void> {
    const device = await openDevice({ adapter: 'software' });
    // Nobody frees it but the end of the device.
    const slice = device.memory.persistent(bufferBytes, 'weights');
    device.recorder.write(slice, new Float32Array(bufferBytes / 4).fill(1));
    if (wait) {
      await device.recorder.synchronize();
      await device.destroy();
    } else void device.destroy();
  }

  it.each([
    ['when their ends are waited for', true],
    ['when nobody waits for their ends', false],
  ])('take no more memory than a few, %s', async (_name, wait) => {
    for (let i = 0; i < 5; i++) await open(wait);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 20; i++) await open(wait);
    // Kept, they would take 320 MiB, and 9 MiB each for themselves.
    expect((process.memoryUsage.rss() - before) / 2 ** 20).toBeLessThan(100);
  });
});
