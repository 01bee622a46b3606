// Kernels that compile at the same time, with the commands that need them held back; and kernels that need a feature.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BufferSlice, Device } from '../src';
import { defineKernel, InputError, ValidationError } from '../src';
import { findAdapter, openDevice } from '../src/node';

/** x[i] = FACTOR · x[i] + shift */
const scale = defineKernel({
  name: 'scale',
  source: `
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x] = FACTOR * x[id.x] + parameters.shift; }`,
  bindings: { x: { access: 'read_write', type: 'f32' } },
  parameters: { shift: 'f32' },
  constants: { FACTOR: 1 },
});

/** Its text is right, but no device runs it. */
const broken = defineKernel({
  name: 'broken',
  source: '@compute @workgroup_size(1048576) fn main() { x[0] = 1.0; }',
  bindings: { x: { access: 'read_write', type: 'f32' } },
  parameters: {},
});

const malformed = defineKernel({ ...broken.declaration, name: 'malformed', source: 'fn main( {' });

for (const immediates of [true, false]) {
  describe(`compileAhead with ${immediates ? 'immediates' : 'uniform parameters'}`, () => {
    let device: Device;
    let x: BufferSlice;
    let factor = 2;
    beforeAll(async () => {
      device = await openDevice({ immediates });
      x = device.memory.persistent(16, 'x');
    });
    afterEach(() => vi.restoreAllMocks());
    afterAll(() => device.destroy());

    const dispatch = (FACTOR: number, shift: number) =>
      device.recorder.dispatch(scale, { bindings: { x }, parameters: { shift }, constants: { FACTOR }, workgroups: 1 });
    const numbers = async (slice: BufferSlice) => Array.from(new Float32Array(await device.recorder.read(slice)));

    it('compiles what is not there at the same time, and carries all out in order', async () => {
      const { gpu, memory, recorder } = device;
      const one = vi.spyOn(gpu, 'createComputePipeline');
      const several = vi.spyOn(gpu, 'createComputePipelineAsync');
      const submit = vi.spyOn(gpu.queue, 'submit');
      const [first, second] = [factor++, factor++];
      const progress: (readonly [number, number])[] = [];
      const copied = memory.persistent(16, 'copy');
      const passing = memory.persistent(16, 'passing');
      let inside: Promise<number[]> | undefined;
      const compiled = recorder.compileAhead(
        () => {
          const data = Float32Array.of(1, 2, 3, 4);
          recorder.write(x, data);
          data.fill(100); // The recorder has its own by now.
          dispatch(first, 1);
          recorder.copy(x, passing);
          recorder.copy(passing, copied);
          memory.free(passing);
          dispatch(second, 0);
          dispatch(first, 0);
          inside = numbers(x);
          recorder.clear(x);
          recorder.flush();
        },
        (done, total) => progress.push([done, total]),
      );
      expect(submit).not.toHaveBeenCalled();
      // Others wait behind it.
      recorder.write(x, Float32Array.of(0, 1, 0, 1));
      dispatch(first, 3);
      const behind = numbers(x);
      await compiled;
      const after = [1, 2, 3, 4].map((value) => first * value + 1);
      expect(await numbers(copied)).toEqual(after);
      expect(await inside).toEqual(after.map((value) => first * second * value));
      expect(await behind).toEqual([3, first + 3, 3, first + 3]);
      expect(progress).toEqual([
        [0, 2],
        [1, 2],
        [2, 2],
      ]);
      expect([one.mock.calls.length, several.mock.calls.length]).toEqual([0, 2]);
      memory.free(copied);

      await recorder.compileAhead(
        () => dispatch(second, 5),
        () => expect.unreachable('all is compiled'),
      );
      expect((await numbers(x))[0]).toBe(3 * second + 5);
      dispatch(factor++, 0);
      await recorder.synchronize();
      expect([one.mock.calls.length, several.mock.calls.length]).toEqual([1, 2]);
    });

    it('names a kernel that does not compile, each time, and carries out the rest', async () => {
      const { recorder } = device;
      for (let i = 0; i < 2; i++) {
        const own = factor++;
        let inside: Promise<number[]> | undefined;
        const compiled = recorder.compileAhead(() => {
          recorder.write(x, Float32Array.of(1, 1, 1, 1));
          recorder.dispatch(broken, { bindings: { x }, parameters: {}, workgroups: 1 });
          dispatch(own, 0);
          inside = numbers(x);
          inside.catch(() => {});
        });
        const error = await compiled.catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ValidationError);
        expect((error as Error).message).toMatch(/broken/);
        await expect(inside).rejects.toThrow(/broken/);
        expect(await numbers(x)).toEqual([own, own, own, own]);
      }
    });

    it('names a kernel that is no WGSL at the next use, as without', async () => {
      const compiled = device.recorder.compileAhead(() => {
        device.recorder.dispatch(malformed, { bindings: { x }, parameters: {}, workgroups: 1 });
        device.recorder.clear(x);
      });
      await expect(compiled).rejects.toThrow(/malformed/);
      device.recorder.clear(x);
      expect(await numbers(x)).toEqual([0, 0, 0, 0]);
    });

    it('passes on what recording throws, behind what was recorded', async () => {
      const own = factor++;
      const failed = device.recorder.compileAhead(() => {
        device.recorder.write(x, Float32Array.of(1, 1, 1, 1));
        dispatch(own, 0);
        dispatch(own, Number.NaN);
      });
      await expect(failed).rejects.toThrow('kernel scale: parameter "shift" is NaN');
      expect(await numbers(x)).toEqual([own, own, own, own]);
    });
  });
}

describe('a kernel that computes in halves', () => {
  const halves = defineKernel({
    name: 'halves',
    source: '@compute @workgroup_size(1) fn main() { x[0] = f32(f16(x[0]) + 1h); }',
    bindings: { x: { access: 'read_write', type: 'f32' } },
    parameters: {},
    extensions: () => ['f16'],
  });
  const run = (device: Device) => {
    const x = device.memory.persistent(4, 'x');
    device.recorder.write(x, Float32Array.of(2048));
    device.recorder.dispatch(halves, { bindings: { x }, parameters: {}, workgroups: 1 });
    return device.recorder.read(x);
  };

  it('runs where the device has f16 enabled, which it has where the adapter offers it', async (context) => {
    const offered = (await findAdapter()).features.includes('shader-f16');
    await using device = await openDevice();
    const { capabilities, gpu } = device;
    expect(gpu.features.has('shader-f16')).toBe(offered);
    expect(capabilities).toMatchObject({ f16: offered });
    context.skip(!capabilities.f16, `no f16: ${capabilities.name}`);
    // 2049 is no half: the sum is rounded.
    expect(new Float32Array(await run(device))).toEqual(Float32Array.of(2048));
  });

  it('is refused by name where f16 is off, before anything is recorded', async () => {
    await using device = await openDevice({ without: ['shader-f16'] });
    expect(device.gpu.features.has('shader-f16')).toBe(false);
    expect(device.capabilities).toMatchObject({ f16: false });
    const refusal = 'kernel halves needs the feature shader-f16, which the device lacks or was opened without';
    expect(() => run(device)).toThrow(InputError);
    expect(() => run(device)).toThrow(refusal);
    await device.recorder.synchronize();
  });
});
