// Captured steps: what a replay computes, what it may not touch, and when it ends.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BufferSlice, Device } from '../src';
import { computed, DeviceLostError, defineKernel, InputError, OutOfMemoryError, type StepValue } from '../src';
import { openDevice } from '../src/node';

/** out = factor · x + shift */
const scale = defineKernel({
  name: 'scale',
  source: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < parameters.count) { out[id.x] = parameters.factor * x[id.x] + f32(parameters.shift); }
  }`,
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
  parameters: { count: 'u32', factor: 'f32', shift: 'i32' },
});

/** A step on `x` and its numbers, with a copy and a clear: 2 · (factor · x + shift), and a zero behind. */
function step(device: Device, x: BufferSlice, factor: number | StepValue, shift: number | StepValue): BufferSlice {
  using _ = device.step();
  const { memory, recorder } = device;
  const count = x.size / 4;
  const [first, second, copied] = [x.size, x.size, x.size + 4].map((bytes) => memory.allocate(bytes));
  const run = (from: BufferSlice, to: BufferSlice, by: number | StepValue, plus: number | StepValue) =>
    recorder.dispatch(scale, {
      bindings: { x: from, out: to },
      parameters: { count, factor: by, shift: plus },
      workgroups: 1,
    });
  run(x, first!, factor, shift);
  run(first!, second!, 2, 0);
  recorder.clear(copied!);
  recorder.copy(second!, { ...copied!, size: x.size });
  return copied!;
}

const read = async (device: Device, slice: BufferSlice) => [...new Float32Array(await device.recorder.read(slice))];

describe.each([
  { name: 'immediates', options: {} },
  { name: 'a uniform buffer', options: { immediates: false } },
  { name: 'debug', options: { debug: true } },
])('with $name', ({ options }) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice(options);
  });
  afterAll(() => device.destroy());

  it('replays a step with other inputs and other numbers, and makes no buffer and no bind group', async () => {
    const x = device.memory.persistent(8, 'inputs');
    device.recorder.write(x, Float32Array.of(1, 2));
    const rate = { value: 3 };
    const program = device.capture(() =>
      step(
        device,
        x,
        computed([rate, 2], (a, b) => a * b),
        { value: -1 },
      ),
    );
    expect(program.isLive).toBe(true);
    expect(await read(device, program.result)).toEqual([10, 22, 0]);
    // What other steps do with the same memory in between is forgotten.
    expect(await read(device, step(device, x, 7, 0))).toEqual([14, 28, 0]);
    device.recorder.write(x, Float32Array.of(5, 6));
    rate.value = 0.5;
    const createBuffer = vi.spyOn(device.gpu, 'createBuffer');
    const [groups, dispatches] = [device.recorder.bindGroupCount, device.recorder.dispatchCount];
    program.replay();
    expect(createBuffer).not.toHaveBeenCalled();
    createBuffer.mockRestore();
    expect(await read(device, program.result)).toEqual([8, 10, 0]);
    expect(device.recorder.bindGroupCount).toBe(groups);
    expect(device.recorder.dispatchCount).toBe(dispatches + 2);
    program[Symbol.dispose]();
    device.memory.free(x);
  });
});

describe('a program', () => {
  let device: Device;
  let x: BufferSlice;
  beforeAll(async () => {
    device = await openDevice({ memoryBudget: 1 << 20 });
    x = device.memory.persistent(256, 'inputs');
  });
  afterAll(() => device.destroy());

  it('keeps its buffers in the pool, where steps and nothing else find them, until it is disposed of', () => {
    const program = device.capture(() => step(device, x, 1, 0));
    const { pooled } = device.report().step;
    device.memory.trim();
    expect(device.report().step.pooled).toBe(pooled);
    // What outlives steps would be overwritten.
    const lent = device.memory.borrow(256, 'cache');
    expect(device.report().step.pooled).toBe(pooled);
    device.memory.free(lent);
    step(device, x, 1, 0);
    expect(device.report().step.pooled).toBe(pooled + 256);
    program[Symbol.dispose]();
    device.memory.trim();
    expect(device.report().step.pooled).toBe(0);
    expect(() => program.replay()).toThrow(/cannot be replayed: it was disposed of/);
  });

  it('records nothing where a number does not fit its parameter', async () => {
    device.recorder.write(x, Float32Array.of(1));
    const [factor, shift] = [{ value: 2 }, { value: 1 }];
    const program = device.capture(() => {
      const first = step(device, x, factor, 0);
      return [first, step(device, x, 1, shift)] as const;
    });
    const before = device.recorder.dispatchCount;
    [factor.value, shift.value] = [5, 0.5];
    expect(() => program.replay()).toThrow(/"shift" is 0.5/);
    expect(device.recorder.dispatchCount).toBe(before);
    shift.value = 3;
    program.replay();
    expect(device.recorder.dispatchCount).toBe(before + 4);
    expect((await read(device, program.result[1]))[0]).toBe(8);
    program[Symbol.dispose]();
  });

  it('ends before memory is refused, and can be captured again', () => {
    const program = device.capture(() => step(device, x, 1, 0));
    const rest = device.memory.budget - device.report().total;
    const large = device.memory.persistent(rest + 4, 'large');
    expect([program.isLive, program.usesHost]).toEqual([false, false]);
    expect(() => program.replay()).toThrow(/its memory was needed for something else/);
    expect(() => device.memory.persistent(1 << 20, 'larger')).toThrow(OutOfMemoryError);
    device.memory.free(large);
  });

  it('ends when a buffer that it uses is freed', () => {
    const own = device.memory.persistent(256, 'inputs');
    const program = device.capture(() => step(device, own, 1, 0));
    device.memory.free(own);
    expect(() => program.replay()).toThrow(/a buffer that it uses was freed/);
  });

  it.each([
    ['writes from the host', /it writes from the host/, () => device.recorder.write(x, Float32Array.of(1))],
    ['reads', /it reads/, () => void device.recorder.read(x)],
  ])('is not made of a step that %s, which runs all the same', async (_, reason, also) => {
    device.recorder.write(x, Float32Array.of(1));
    const program = device.capture(() => {
      also();
      return step(device, x, 3, 1);
    });
    expect((await read(device, program.result))[0]).toBe(8);
    expect([program.isLive, program.usesHost]).toEqual([false, true]);
    expect(() => program.replay()).toThrow(reason);
  });

  it('is refused inside a step and inside a capture, and where the captured function throws', () => {
    {
      using _ = device.step();
      expect(() => device.capture(() => 0)).toThrow(InputError);
    }
    const program = device.capture(() => step(device, x, 1, 0));
    expect(() => device.capture(() => device.capture(() => 0))).toThrow(/one at a time/);
    expect(() => device.capture(() => program.replay())).toThrow(/while another is captured/);
    {
      using _ = device.step();
      expect(() => program.replay()).toThrow(/inside a step/);
    }
    program[Symbol.dispose]();
    const failing = () => {
      step(device, x, 1, 0);
      throw new Error('no');
    };
    expect(() => device.capture(failing)).toThrow('no');
    device.memory.trim();
    expect(device.report().step.pooled).toBe(0);
  });

  it('is replayed in order while kernels of other steps compile', async () => {
    const factor = { value: 2 };
    device.recorder.write(x, Float32Array.of(1));
    const program = device.capture(() => step(device, x, factor, 0));
    const other = { ...scale, declaration: { ...scale.declaration, name: 'scale again' } };
    const reads: Promise<number[]>[] = [];
    await device.recorder.compileAhead(() => {
      {
        using _ = device.step();
        const out = device.memory.allocate(256);
        const parameters = { count: 1, factor: 1, shift: 0 };
        device.recorder.dispatch(other, { bindings: { x, out }, parameters, workgroups: 1 });
      }
      for (const next of [3, 4]) {
        factor.value = next;
        program.replay();
        reads.push(read(device, program.result));
      }
    });
    expect((await Promise.all(reads)).map(([first]) => first)).toEqual([6, 8]);
    program[Symbol.dispose]();
  });
});

it('fails as the device does that was lost', async () => {
  const device = await openDevice();
  const x = device.memory.persistent(256, 'inputs');
  const program = device.capture(() => step(device, x, 1, 0));
  await device.destroy();
  expect(() => program.replay()).toThrow(DeviceLostError);
});
