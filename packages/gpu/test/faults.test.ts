/** What may go wrong below a device: garbage collection of Dawn's objects, a lost device, a driver without memory. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DeviceLostError, OutOfMemoryError } from '../src';
import { listAdapters, openDevice } from '../src/node';

const built = existsSync(join(import.meta.dirname, '../dist/node.js'));
const adapters = await listAdapters();

describe.skipIf(!built || adapters.length === 0)('garbage collection (needs dist/ and a GPU)', () => {
  it('at every step of a device at work crashes nothing', () => {
    // A crash ends the child, not the tests.
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      ['--expose-gc', join(import.meta.dirname, 'gc-child.mjs')],
      { encoding: 'utf8', timeout: 100_000 },
    );
    expect({ status, signal, stdout }, stderr).toEqual({ status: 0, signal: null, stdout: 'alive\n' });
  });
});

describe('a device that is lost', () => {
  it('says so at every use, also to a read that is under way, and takes back what a step held', async () => {
    const device = await openDevice();
    const step = device.step();
    const slice = device.memory.allocate(1024);
    device.recorder.clear(slice);
    const reading = device.recorder.read(slice);
    device.gpu.destroy();
    await expect(reading).rejects.toBeInstanceOf(DeviceLostError);
    expect(() => device.recorder.clear(slice)).toThrow(DeviceLostError);
    await expect(device.recorder.read(slice)).rejects.toBeInstanceOf(DeviceLostError);
    await expect(device.recorder.synchronize()).rejects.toBeInstanceOf(DeviceLostError);
    step.end();
    expect(device.report().step.current).toBe(0);
    await device.destroy();
    expect(device.holdsInstance).toBe(false);
  });
});

describe('a driver without memory', () => {
  // Lavapipe refuses a buffer of the largest size it names; a large GPU may grant it.
  it.skipIf(adapters[0]?.type !== 'software')('is told by name at the next use, and the device goes on', async () => {
    const device = await openDevice({ adapter: 'software' });
    const largest = device.capabilities.limits.maxBufferSize;
    const refuse = () => device.gpu.createBuffer({ size: largest, usage: 0x80 }).destroy();
    refuse();
    await expect(device.recorder.synchronize()).rejects.toThrow(/^the driver is out of memory: /);
    refuse();
    await expect(device.recorder.synchronize()).rejects.toBeInstanceOf(OutOfMemoryError);
    const slice = device.memory.persistent(16, 'enough');
    device.recorder.write(slice, Float32Array.of(1, 2, 3, 4));
    expect([...new Float32Array(await device.recorder.read(slice))]).toEqual([1, 2, 3, 4]);
    device.destroy();
  });
});
