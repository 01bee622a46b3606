// Steps that differ only in how long their tensors are work on the same buffers and the same bind groups.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BufferSlice, Device, DeviceOptions } from '../src';
import { defineKernel } from '../src';
import { openDevice } from '../src/node';

/** How many elements each binding shows. */
const lengths = defineKernel({
  name: 'lengths',
  source: `
@compute @workgroup_size(1)
fn main() { out[0] = arrayLength(&x); out[1] = arrayLength(&out); }`,
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'u32' } },
  parameters: {},
});

const add = defineKernel({
  name: 'add',
  source: '@compute @workgroup_size(1) fn main() { out[0] = out[0] + x[0]; }',
  bindings: { x: { access: 'read', type: 'f32' }, out: { access: 'read_write', type: 'f32' } },
  parameters: {},
});

async function shown(options: DeviceOptions, part: (slice: BufferSlice) => BufferSlice): Promise<number> {
  const device = await openDevice(options);
  try {
    using _ = device.step();
    const bindings = { x: part(device.memory.allocate(1100)), out: device.memory.allocate(8) };
    device.recorder.dispatch(lengths, { bindings, parameters: {}, workgroups: 1 });
    return new Uint32Array(await device.recorder.read(bindings.out))[0]!;
  } finally {
    await device.destroy();
  }
}

describe('a step buffer', () => {
  const same = (slice: BufferSlice) => slice;

  it('is bound whole', async () => {
    expect(await shown({}, same)).toBe(1280 / 4);
  });

  it('is bound as far as its tensor goes in debug mode, and where a whole one would break the limit', async () => {
    expect(await shown({ debug: true }, same)).toBe(1100 / 4);
    expect(await shown({ limits: { maxStorageBufferBindingSize: 1200 } }, same)).toBe(1100 / 4);
  });

  it('is bound as asked where a part of it is', async () => {
    expect(await shown({}, (slice) => ({ ...slice, offset: 256, size: 400 }))).toBe(100);
  });
});

describe('steps', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice();
  });
  afterAll(() => device.destroy());

  /** A step of several tensors of `bytes` and fewer, some given back on the way; the numbers of its buffers. */
  function step(bytes: number, order: 'forwards' | 'backwards' = 'forwards'): number[] {
    using _ = device.step();
    const { memory, recorder } = device;
    const ids: number[] = [];
    const allocate = (size: number) => {
      const slice = memory.allocate(size);
      ids.push(slice.storage.id);
      return slice;
    };
    const sum = allocate(bytes);
    for (let i = 0; i < 4; i++) {
      const scope = memory.openScope();
      const terms = [allocate(bytes), allocate(bytes / 4), allocate(bytes)];
      for (const x of terms) recorder.dispatch(add, { bindings: { x, out: sum }, parameters: {}, workgroups: 1 });
      if (order === 'backwards') terms.reverse();
      for (const term of terms) memory.releaseEarly(term);
      scope.close();
    }
    return ids;
  }

  it('get the same buffers and bind groups, whatever their length and the order in which buffers come back', () => {
    step(20_000);
    const longest = step(64_000);
    const before = device.recorder.bindGroupCount;
    const total = device.report().total;
    for (const bytes of [64_000, 40_000, 63_000, 17_000, 64_000]) {
      expect(step(bytes)).toEqual(longest);
      expect(step(bytes, 'backwards')).toEqual(longest);
    }
    expect(device.recorder.bindGroupCount).toBe(before);
    expect(device.report().total).toBe(total);
  });

  it('leave what is far too large to those that need it', () => {
    device.memory.trim();
    const [large] = step(1 << 20);
    expect(step(1024)).not.toContain(large);
  });

  it('keep what a step has used when they make a new buffer', () => {
    device.memory.trim();
    device.memory.resetPeak();
    const one = () => {
      using _ = device.step();
      const first = device.memory.allocate(100_000);
      device.memory.releaseEarly(first);
      return [first, device.memory.allocate(300_000)].map(({ storage }) => storage.id);
    };
    expect(one()).toEqual(one());
  });
});
