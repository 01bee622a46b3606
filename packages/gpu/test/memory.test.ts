import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import type { Device } from '../src';
import { InputError, OutOfMemoryError, parseBytes, sizeClass } from '../src';
import { openDevice, openNullDevice } from '../src/node';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ memoryBudget: 1 << 20 });
});
afterAll(() => device.destroy());

it('rounds sizes to four classes an octave', () => {
  for (let bytes = 1; bytes < 1e7; bytes = Math.ceil(bytes * 1.17)) {
    const size = sizeClass(bytes);
    expect(size).toBeGreaterThanOrEqual(bytes);
    expect(size % 256).toBe(0);
    if (bytes > 1024) expect(size).toBeLessThanOrEqual(bytes * 1.25 + 256);
    expect(sizeClass(size)).toBe(size);
  }
});

it('returns step buffers and finds them again', () => {
  const first = device.step();
  const a = device.memory.allocate(1000);
  const b = device.memory.allocate(1000);
  expect(a.storage).not.toBe(b.storage);
  first.end();
  expect(device.report().step.current).toBe(0);
  using _ = device.step();
  expect([a.storage, b.storage]).toContain(device.memory.allocate(900).storage);
});

it('keeps what is retained beyond its scope, and what a scope hands to the outer one', () => {
  using _ = device.step();
  const scope = device.memory.openScope();
  const kept = device.memory.allocate(512);
  const saved = device.memory.allocate(512);
  const lost = device.memory.allocate(512);
  device.memory.retain(saved.storage);
  const before = device.report().step.current;
  scope.close([kept.storage]);
  expect(before - device.report().step.current).toBe(512);
  expect(device.memory.allocate(512).storage).toBe(lost.storage);
  device.memory.release(saved.storage);
  expect(device.memory.allocate(512).storage).toBe(saved.storage);
});

it('ends inner scopes with a step that throws', () => {
  expect(() => {
    using _ = device.step();
    device.memory.openScope();
    device.memory.allocate(4096);
    throw new Error('in the middle');
  }).toThrow('in the middle');
  expect(device.memory.depth).toBe(0);
  expect(device.report().step.current).toBe(0);
});

it('counts persistent memory by purpose and frees it', () => {
  const before = device.report().total;
  const slice = device.memory.persistent(10_000, 'weights');
  expect(device.report().persistent.weights).toBe(10_000);
  device.memory.free(slice);
  expect(device.report().persistent.weights).toBeUndefined();
  expect(device.report().total).toBe(before);
});

it('refuses what exceeds the budget, with the sizes', () => {
  const slice = device.memory.persistent(512 << 10, 'weights');
  expect(() => device.memory.persistent(768 << 10, 'optimizer')).toThrow(OutOfMemoryError);
  expect(() => device.memory.persistent(768 << 10, 'optimizer')).toThrow(
    /768.0 KiB for optimizer do not fit: .* of 1.0 MiB are taken \(weights 512.0 KiB/,
  );
  device.memory.free(slice);
});

it('keeps at most a quarter more than the peak, whatever sizes the steps ask for', async () => {
  const nothing = await openNullDevice();
  const { memory } = nothing;
  const created = new Set<number>();
  let asked = 0;
  for (let step = 0; step < 40; step++) {
    using _ = nothing.step();
    // Lengths that come and go, and now and then a batch of another kind.
    const bytes = 2 ** 20 * (step % 10 === 9 ? 3 : 10 + ((step * 3) % 4));
    for (let i = 0; i < 6; i++, asked++) created.add(memory.allocate(bytes).storage.id);
    const { current, peak, pooled } = memory.report().step;
    expect(current + pooled).toBeLessThanOrEqual(Math.max(64 * 2 ** 20, 1.25 * peak));
  }
  // And still finds most of them again.
  expect(created.size).toBeLessThan(asked / 2);
  memory.trim();
  expect(memory.report().step).toMatchObject({ current: 0, pooled: 0 });
  nothing.destroy();
});

it('keeps what steps of several kinds want, where it is little', () => {
  const { memory } = device;
  memory.trim();
  memory.resetPeak();
  const created = new Set<number>();
  for (let step = 0; step < 20; step++) {
    using _ = device.step();
    for (let i = 1; i <= 4; i++) created.add(memory.allocate(step % 2 === 0 ? 30_000 * i : 1000 * i).storage.id);
  }
  expect(created.size).toBe(8);
});

it('lends a buffer of the pool beyond steps, and takes it back', () => {
  const { memory } = device;
  memory.trim();
  const { total } = memory.report();
  const cache = memory.borrow(20_000, 'cache');
  expect(memory.report()).toMatchObject({ persistent: { cache: 20_480 }, total: total + 20_480 });
  {
    using _ = device.step();
    expect(memory.allocate(20_000).storage).not.toBe(cache.storage);
    // A tape's hold on it does not return it.
    memory.retain(cache.storage);
    memory.release(cache.storage);
    expect(memory.report().persistent.cache).toBe(20_480);
  }
  memory.trim();
  memory.free(cache);
  expect(memory.report()).toMatchObject({ step: { current: 0, pooled: 20_480 }, total: total + 20_480 });
  expect(memory.report().persistent.cache).toBeUndefined();
  expect(memory.borrow(19_000, 'cache').storage).toBe(cache.storage);
  memory.free(cache);
});

it('does not keep a large buffer that was lent', async () => {
  const nothing = await openNullDevice();
  const { memory } = nothing;
  memory.free(memory.borrow(200e6, 'cache'));
  expect(memory.report().total).toBe(0);
  expect(() => memory.borrow(2 ** 30, 'cache')).toThrow('a buffer of 1.0 GiB (cache) exceeds the adapter');
  nothing.destroy();
});

it('lets buffers that only wait give way to what needs the budget', () => {
  {
    using _ = device.step();
    device.memory.allocate(640 << 10);
  }
  expect(device.report().step.pooled).toBeGreaterThanOrEqual(640 << 10);
  device.memory.free(device.memory.persistent(768 << 10, 'optimizer'));
  expect(device.report().step.pooled).toBe(0);
});

it('destroys a waiting buffer only after the commands that use it', async () => {
  const { memory, recorder } = device;
  memory.trim();
  using _ = device.step();
  const kept = memory.allocate(256);
  const scope = memory.openScope();
  const gone = memory.allocate(256 << 10);
  recorder.write({ ...gone, size: 256 }, new Float32Array(64).fill(3));
  recorder.copy({ ...gone, size: 256 }, kept);
  scope.close();
  memory.trim();
  expect(new Float32Array(await recorder.read(kept))).toEqual(new Float32Array(64).fill(3));
});

it('names leaks in debug mode', async () => {
  const debug = await openDevice({ debug: true });
  const kept = debug.memory.persistent(64, 'forgotten');
  const freed = debug.memory.persistent(64, 'freed');
  debug.memory.free(freed);
  {
    using _ = debug.step();
    debug.memory.allocate(64);
    debug.memory.retain(debug.memory.allocate(300).storage);
  }
  const leaks = debug.memory.leaks();
  expect(leaks.map(({ purpose, bytes }) => `${purpose} ${bytes}`)).toEqual(['forgotten 64', 'step 512']);
  expect(leaks[0]!.origin).toContain('memory.test.ts');
  debug.memory.free(kept);
  expect(debug.memory.leaks()).toHaveLength(1);
  debug.destroy();
  expect(device.memory.leaks()).toEqual([]);
});

it('hands out step memory full of NaN in debug mode, that of earlier steps too', async () => {
  vi.stubEnv('CROSSGATE_DEBUG', '1');
  await using debug = await openDevice();
  for (const value of [3, 4]) {
    using _ = debug.step();
    const [whole, part] = [debug.memory.allocate(2 ** 20 + 1024), debug.memory.allocate(300)];
    expect(new Float32Array(await debug.recorder.read(whole)).every(Number.isNaN)).toBe(true);
    debug.recorder.write({ ...part, size: 8 }, Float32Array.of(value, value));
    expect([...new Float32Array(await debug.recorder.read(part))].filter((each) => !Number.isNaN(each))).toEqual([
      value,
      value,
    ]);
    debug.recorder.write(whole, new Float32Array(2 ** 18));
  }
  const borrowed = debug.memory.borrow(64, 'cache');
  expect(new Float32Array(await debug.recorder.read(borrowed)).every(Number.isNaN)).toBe(true);
  debug.memory.free(borrowed);
  vi.stubEnv('CROSSGATE_DEBUG', 'yes');
  await expect(openDevice()).rejects.toThrow('CROSSGATE_DEBUG is "yes"');
});

afterEach(() => vi.unstubAllEnvs());

it('reads sizes', () => {
  const sizes = ['1000', '1000 bytes', '2k', '2 KiB', '1.5MB', '6GiB', '1 TiB'].map(parseBytes);
  expect(sizes).toEqual([1000, 1000, 2048, 2048, 1.5 * 2 ** 20, 6 * 2 ** 30, 2 ** 40]);
  for (const wrong of ['', '0', '-1', 'much', '1 PiB', '1e9', '0.0001']) {
    expect(() => parseBytes(wrong), wrong).toThrow(InputError);
  }
});

it('takes its budget from the environment when it is given none', async () => {
  vi.stubEnv('CROSSGATE_MEMORY_BUDGET', '1 MiB');
  const [limited, own] = [await openDevice(), await openDevice({ memoryBudget: 2 ** 21 })];
  expect([limited.memory.budget, own.memory.budget]).toEqual([2 ** 20, 2 ** 21]);
  expect(() => limited.memory.persistent(2 ** 20 + 4, 'weights')).toThrow(OutOfMemoryError);
  limited.destroy();
  own.destroy();
  vi.stubEnv('CROSSGATE_MEMORY_BUDGET', 'much');
  await expect(openDevice()).rejects.toThrow(/^CROSSGATE_MEMORY_BUDGET: "much" is no size of memory/);
});
