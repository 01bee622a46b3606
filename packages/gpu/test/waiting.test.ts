// Waiting for a software adapter sleeps once in a turn of the event loop, however many waits follow each other.
import { afterEach, expect, it, vi } from 'vitest';
import { openDevice } from '../src/node';

afterEach(() => vi.restoreAllMocks());

it('sleeps do not add up over reads that follow each other', async () => {
  const device = await openDevice();
  const slice = device.memory.persistent(16, 'test');
  device.recorder.write(slice, Float32Array.of(1, 2, 3, 4));
  let [sleepsInTurn, most, running] = [0, 0, true];
  const sleep = Atomics.wait.bind(Atomics) as (...args: unknown[]) => 'timed-out';
  vi.spyOn(Atomics, 'wait').mockImplementation((...args: unknown[]) => {
    most = Math.max(most, ++sleepsInTurn);
    return sleep(...args);
  });
  const turn = () => {
    sleepsInTurn = 0;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  for (let i = 0; i < 40; i++) expect(new Float32Array(await device.recorder.read(slice))[3]).toBe(4);
  running = false;
  expect(most).toBeLessThanOrEqual(2);
  if (device.capabilities.software) expect(most).toBeGreaterThan(0);
  device.memory.free(slice);
  device.destroy();
});
