import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device } from '../src';
import { chromeTrace, defineKernel, InputError, Profiler, packParameters, renderKernel } from '../src';
import { openDevice } from '../src/node';

/** out[i] = scale · x[i] + shift, through both kinds of parameters and more workgroups than fit one dimension. */
const affine = defineKernel({
  name: 'affine',
  source: `
@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.x + workgroup.y * grid.x) * WORKGROUP_SIZE + local;
  if (index < parameters.count) { out[index] = parameters.scale * x[index] + f32(parameters.shift); }
}`,
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
  parameters: { count: 'u32', scale: 'f32', shift: 'i32' },
  constants: { WORKGROUP_SIZE: 32 },
});

function run(device: Device, count: number, repeat = 1): Promise<ArrayBuffer> {
  const x = device.memory.allocate(4 * count);
  const out = device.memory.allocate(4 * count);
  device.recorder.write(
    x,
    Float32Array.from({ length: count }, (_, i) => i),
  );
  for (let i = 0; i < repeat; i++) {
    device.recorder.dispatch(affine, {
      bindings: { x, out },
      parameters: { count, scale: 0.5, shift: -3 - i },
      workgroups: Math.ceil(count / 32),
    });
  }
  return device.recorder.read(out);
}

for (const immediates of [true, false]) {
  describe(`device with ${immediates ? 'immediates' : 'uniform parameters'}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice({ immediates, limits: { maxComputeWorkgroupsPerDimension: 7 } });
    });
    afterAll(() => device.destroy());

    it('runs a kernel, folding its grid', async () => {
      using _ = device.step();
      const result = new Float32Array(await run(device, 1000));
      expect(Array.from(result)).toEqual(Array.from({ length: 1000 }, (_, i) => 0.5 * i - 3));
    });

    it('keeps the order of more dispatches than one batch holds', async () => {
      using _ = device.step();
      const result = new Float32Array(await run(device, 10, 500));
      expect(result[9]).toBe(4.5 - 3 - 499);
    });

    it('leaves a step to a later submission where asked', async () => {
      const out = device.memory.persistent(64, 'result');
      const submit = vi.spyOn(device.gpu.queue, 'submit');
      for (const shift of [2, 3, 4]) {
        using _ = device.step(shift === 4);
        const x = device.memory.allocate(64);
        device.recorder.dispatch(affine, {
          bindings: { x, out },
          parameters: { count: 16, scale: 0, shift },
          workgroups: 1,
        });
        expect(submit).not.toHaveBeenCalled();
      }
      expect(submit).toHaveBeenCalledTimes(1);
      expect(new Float32Array(await device.recorder.read(out))[9]).toBe(4);
      submit.mockRestore();
      device.memory.free(out);
    });

    it('writes long data of any length whole', async () => {
      const data = Uint8Array.from({ length: 600_003 }, (_, i) => (i * 7 + (i >> 8)) & 255);
      using _ = device.step();
      const slice = device.memory.allocate(data.length);
      device.recorder.write(slice, data);
      const back = new Uint8Array(await device.recorder.read(slice));
      expect(data.findIndex((byte, i) => back[i] !== byte)).toBe(-1);
    });

    it('orders writes after commands that are recorded but not submitted', async () => {
      using _ = device.step();
      const x = device.memory.allocate(64);
      const out = device.memory.allocate(64);
      device.recorder.write(x, new Float32Array(16).fill(2));
      const dispatch = () =>
        device.recorder.dispatch(affine, {
          bindings: { x, out },
          parameters: { count: 16, scale: 1, shift: 0 },
          workgroups: 1,
        });
      dispatch();
      const copy = device.memory.allocate(64);
      device.recorder.copy(out, copy);
      device.recorder.write(x, new Float32Array(16).fill(5));
      dispatch();
      expect(new Float32Array(await device.recorder.read(copy))[3]).toBe(2);
      expect(new Float32Array(await device.recorder.read(out))[3]).toBe(5);
    });

    it('measures kernels', async () => {
      if (!device.capabilities.timestamps) return;
      using _ = device.step();
      const profiler = new Profiler();
      profiler.attach(device);
      await run(device, 200, 300);
      profiler.detach();
      await device.recorder.synchronize();
      expect(profiler.rows()[0]).toMatchObject({ name: 'affine', count: 300 });
      expect(profiler.rows()[0]!.nanoseconds).toBeGreaterThan(0);
      const kernels = chromeTrace(profiler).traceEvents.filter(({ ph }) => ph === 'X');
      expect(kernels).toHaveLength(300);
    });
  });
}

describe('a device without robustness', () => {
  it('has the features of one with it, and computes the same', async () => {
    const [plain, fast] = [await openDevice(), await openDevice({ robustness: false })];
    expect(fast.capabilities).toEqual(plain.capabilities);
    using _ = fast.step();
    expect(new Float32Array(await run(fast, 40))[39]).toBe(16.5);
    plain.destroy();
    fast.destroy();
  });
});

describe('the cache of bind groups', () => {
  it('holds nothing of buffers that are gone', async () => {
    const device = await openDevice();
    const x = device.memory.persistent(256, 'long-lived');
    for (let i = 0; i < 10; i++) {
      const out = device.memory.persistent(256, 'short-lived');
      const parameters = { count: 64, scale: 1, shift: 0 };
      device.recorder.dispatch(affine, { bindings: { x, out }, parameters, workgroups: 2 });
      expect(device.recorder.cachedBindGroups).toEqual({ groups: 1, references: 2 });
      device.memory.free(out);
      expect(device.recorder.cachedBindGroups).toEqual({ groups: 0, references: 0 });
    }
    await device.recorder.synchronize();
    device.destroy();
  });
});

describe('a device refuses', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ limits: { maxStorageBufferBindingSize: 4096, maxComputeWorkgroupsPerDimension: 4 } });
  });
  afterAll(() => device.destroy());

  it('bindings beyond the limit, aliased writes, missing slices, too many workgroups', () => {
    using _ = device.step();
    const x = device.memory.allocate(8192);
    const small = device.memory.allocate(256);
    const parameters = { count: 1, scale: 1, shift: 0 };
    const dispatch = (bindings: { x: typeof x; out: typeof x }, workgroups = 1) =>
      device.recorder.dispatch(affine, { bindings, parameters, workgroups });
    expect(() => dispatch({ x, out: small })).toThrow(/"x" binds 8.0 KiB, the adapter allows 4.0 KiB/);
    expect(() => dispatch({ x: small, out: small })).toThrow(/share a buffer/);
    expect(() => dispatch({ x: small } as never)).toThrow(/binding "out" is missing/);
    expect(() => dispatch({ x: { ...x, size: 256 }, out: small }, 17)).toThrow(/17 workgroups exceed 4 × 4/);
    expect(() => dispatch({ x: { ...x, offset: 4, size: 256 }, out: small })).toThrow(/multiples of/);
  });

  it('step memory outside a step, and nested steps', () => {
    expect(() => device.memory.allocate(4)).toThrow(InputError);
    using _ = device.step();
    expect(() => device.step()).toThrow(/open already/);
  });

  it('reports a shader that does not compile', async () => {
    const broken = defineKernel({ name: 'broken', source: 'fn main( {', bindings: {}, parameters: {} });
    device.recorder.dispatch(broken, { bindings: {}, parameters: {}, workgroups: 1 });
    await expect(device.recorder.synchronize()).rejects.toThrow(/broken/);
  });
});

describe('the life of a device', () => {
  it('outlives garbage collection of everything but itself', async () => {
    const device = await openDevice();
    for (let i = 0; i < 3; i++) {
      // Without --expose-gc, allocation pressure does the same.
      if (globalThis.gc) globalThis.gc();
      else Array.from({ length: 50 }, () => new Uint8Array(4 << 20));
      await new Promise((resolve) => setTimeout(resolve, 5));
      using _ = device.step();
      expect(new Float32Array(await run(device, 40))[39]).toBe(16.5);
    }
    expect(device.holdsInstance).toBe(true);
    const ended = device.destroy();
    // Until its commands have ended, or Dawn would crash.
    expect(device.holdsInstance).toBe(true);
    expect(device.destroy()).toBe(ended);
    await ended;
    expect(device.holdsInstance).toBe(false);
    expect(() => device.recorder.clear({} as never)).toThrow(/destroyed/);
  });

  it('may be destroyed while commands run, and another opened at once', async () => {
    const slow = defineKernel({
      name: 'slow',
      source: `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var x = f32(id.x);
  for (var i = 0u; i < parameters.iterations; i++) { x = fma(x, 0.5, 0.25); }
  out[id.x] = x;
}`,
      bindings: { out: { access: 'read_write', type: 'f32' } },
      parameters: { iterations: 'u32' },
    });
    // A crash of the driver ends this process, and with it the test.
    for (let i = 0; i < 5; i++) {
      const device = await openDevice();
      using _ = device.step();
      const out = device.memory.allocate(4 * 64 * 64);
      for (let j = 0; j < 10; j++) {
        device.recorder.dispatch(slow, { bindings: { out }, parameters: { iterations: 2_000 }, workgroups: 64 });
      }
      device.recorder.flush();
      device.destroy();
    }
    using device = { value: await openDevice(), [Symbol.dispose]: () => device.value.destroy() };
    using _ = device.value.step();
    expect(new Float32Array(await run(device.value, 40))[39]).toBe(16.5);
  });
});

describe('renderKernel', () => {
  it('writes the same interface for immediates and uniforms', () => {
    const immediate = renderKernel(affine.declaration, { WORKGROUP_SIZE: 32 }, true);
    const uniform = renderKernel(affine.declaration, { WORKGROUP_SIZE: 32 }, false);
    expect(immediate).toContain('var<immediate> parameters: Parameters;');
    expect(uniform).toContain('@group(0) @binding(2) var<uniform> parameters: Parameters;');
    expect(uniform).toContain('@group(0) @binding(1) var<storage, read_write> out: array<f32>;');
  });
});

describe('packParameters', () => {
  const packed = (count: number, shift = 0) => {
    const words = new DataView(new ArrayBuffer(12));
    packParameters(affine.declaration, { count, scale: 0.5, shift }, words, 0);
    return [words.getUint32(0, true), words.getFloat32(4, true), words.getInt32(8, true)];
  };

  it('keeps the whole range of each type', () => {
    expect(packed(2 ** 32 - 1, 2 ** 31 - 1)).toEqual([2 ** 32 - 1, 0.5, 2 ** 31 - 1]);
    expect(packed(0, -(2 ** 31))).toEqual([0, 0.5, -(2 ** 31)]);
  });

  it('refuses what would wrap', () => {
    for (const count of [2 ** 32, -1, 0.5, Number.POSITIVE_INFINITY]) {
      expect(() => packed(count)).toThrow(`parameter "count" is ${count}, which is no u32`);
    }
    expect(() => packed(1, 2 ** 31)).toThrow('parameter "shift" is 2147483648, which is no i32');
    expect(() => packed(Number.NaN)).toThrow('parameter "count" is NaN');
  });
});
