// Adam and AdamW on parameter groups against float64: several groups and sections, decay exemptions, clipping.
import { type Device, InputError } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import type { AdamState } from '@crossgate/testing';
import { adamState, adamStep, adamWStep, expectClose, randomNormal, toFloat32 } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Adam, embedding, ParameterGroup, readGroup, readOptimizer, Tape, writeGroup, writeOptimizer } from '../src';

const hyper = { learningRate: 0.02, beta1: 0.8, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1 };

/** Shapes by group; parameters of 1200 and 1600 bytes, so that two of them never share a section of 2048. */
const shapes: Record<string, { name: string; shape: number[]; decay: boolean }[]> = {
  first: [
    { name: 'a', shape: [20, 15], decay: true },
    { name: 'a.bias', shape: [7], decay: false },
    { name: 'b', shape: [4, 100], decay: true },
    { name: 'b.norm', shape: [100, 3], decay: false },
    { name: 'c', shape: [3], decay: true },
  ],
  second: [
    { name: 'd', shape: [300], decay: true },
    { name: 'd.bias', shape: [1], decay: false },
  ],
};

describe.each([
  ["the adapter's own limits", {}, [2, 2]],
  // Whole arenas exceed the limit: a | b with c | the exempt ones | d | its bias, and few workgroups.
  ['sections of 2 KB', { maxStorageBufferBindingSize: 2048, maxComputeWorkgroupsPerDimension: 4 }, [3, 2]],
])('on %s', (_, limits, sections) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ limits });
  });
  afterAll(() => device.destroy());

  const makeGroups = () =>
    Object.entries(shapes).map(
      ([purpose, specs], g) =>
        new ParameterGroup(
          device,
          purpose,
          specs.map(({ name, shape, decay }, i) => ({
            name,
            shape,
            decay,
            values: toFloat32(randomNormal(shape, 10 * g + i + 1)),
          })),
        ),
    );
  const gradientOf = (name: string, shape: readonly number[], step: number) =>
    randomNormal([...shape], 1000 * step + name.length * 31 + name.charCodeAt(0), step === 3 ? 1e-3 : 1);

  it.each([
    ['adam', null],
    ['adam', 5],
    ['adamw', null],
    ['adamw', 5],
  ] as const)('%s with clipNorm %s follows torch for five steps', async (kind, clipNorm) => {
    const groups = makeGroups();
    expect(groups.map((group) => group.sections.length)).toEqual(sections);
    const optimizer = new Adam(groups, { kind, ...hyper, clipNorm });
    const expected = new Map<string, AdamState>();
    for (const group of groups) {
      for (const [name, { data }] of await readGroup(group)) expected.set(name, adamState(data));
    }
    let clipped = 0;
    for (let step = 1; step <= 5; step++) {
      using _step = device.step();
      let squares = 0;
      for (const group of groups) {
        group.zeroGradients();
        for (const { name, shape, gradient } of group.parameters) {
          const values = toFloat32(gradientOf(name, shape, step));
          squares += values.reduce((sum, value) => sum + value * value, 0);
          device.recorder.write(gradient, values);
        }
      }
      // The norm is of all gradients together.
      const scale = clipNorm === null ? 1 : Math.min(1, clipNorm / Math.sqrt(squares));
      if (scale < 1) clipped++;
      const learningRate = hyper.learningRate / step;
      for (const { name, shape, decay } of Object.values(shapes).flat()) {
        const gradient = toFloat32(gradientOf(name, shape, step)).map((value) => value * scale);
        const options = { ...hyper, learningRate, weightDecay: decay ? hyper.weightDecay : 0 };
        expected.set(name, (kind === 'adam' ? adamStep : adamWStep)(expected.get(name)!, gradient, options));
      }
      optimizer.step(learningRate);
    }
    // Of step 3 the gradients are short already.
    expect(clipped).toBe(clipNorm === null ? 0 : 4);
    expect(optimizer.steps).toBe(5);
    const values = new Map([...(await readGroup(groups[0]!)), ...(await readGroup(groups[1]!))]);
    const moments = await readOptimizer(optimizer);
    expect(moments.size).toBe(2 * expected.size);
    for (const [name, state] of expected) {
      const close = { relative: 1e-5, absolute: 3e-6 };
      expectClose(values.get(name)!.data, state.value, { ...close, label: name });
      expectClose(moments.get(`${name}.first`)!.data, state.firstMoment, { ...close, label: `${name}.first` });
      expectClose(moments.get(`${name}.second`)!.data, state.secondMoment, { ...close, label: `${name}.second` });
    }
    optimizer.release();
    for (const group of groups) group.release();
    expect(device.report().persistent).toEqual({});
  });

  it.each([Number.POSITIVE_INFINITY, Number.NaN])(
    'changes nothing where it clips and a gradient is %s',
    async (wrong) => {
      const groups = makeGroups();
      const optimizer = new Adam(groups, { kind: 'adamw', ...hyper, clipNorm: 5 });
      const bits = async () => [
        await readGroup(groups[0]!),
        await readGroup(groups[1]!),
        await readOptimizer(optimizer),
        new Float32Array(await device.recorder.read(optimizer.clipFactor!)),
      ];
      const update = (step: number, value?: number) => {
        using _step = device.step();
        for (const { name, shape, gradient } of groups.flatMap(({ parameters }) => parameters)) {
          device.recorder.write(gradient, toFloat32(gradientOf(name, shape, step)));
        }
        const { gradient } = groups[1]!.parameters[0]!;
        if (value !== undefined) device.recorder.write(gradient, Float32Array.of(value));
        optimizer.step();
      };
      update(1);
      const [first, second, moments] = await bits();
      update(2, wrong);
      expect(await bits()).toEqual([first, second, moments, Float32Array.of(0)]);
      update(3);
      expect((await bits())[0]).not.toEqual(first);
      optimizer.release();
      for (const group of groups) group.release();
    },
  );

  it('goes on from stored moments bit for bit', async () => {
    const update = (groups: ParameterGroup[], optimizer: Adam, step: number) => {
      for (const group of groups) {
        for (const { name, shape, gradient } of group.parameters) {
          device.recorder.write(gradient, toFloat32(gradientOf(name, shape, step)));
        }
      }
      optimizer.step();
    };
    using _step = device.step();
    const options = { kind: 'adamw', ...hyper, clipNorm: 5 } as const;
    const [whole, before, after] = [makeGroups(), makeGroups(), makeGroups()];
    const optimizers = [whole, before, after].map((groups) => new Adam(groups, options));
    for (const step of [1, 2, 3]) update(whole, optimizers[0]!, step);
    for (const step of [1, 2]) update(before, optimizers[1]!, step);
    for (let g = 0; g < after.length; g++) writeGroup(after[g]!, await readGroup(before[g]!), 'test');
    writeOptimizer(optimizers[2]!, await readOptimizer(optimizers[1]!), 'test');
    optimizers[2]!.steps = optimizers[1]!.steps;
    update(after, optimizers[2]!, 3);
    for (let g = 0; g < after.length; g++) expect(await readGroup(after[g]!)).toEqual(await readGroup(whole[g]!));
    expect(await readOptimizer(optimizers[2]!)).toEqual(await readOptimizer(optimizers[0]!));
    for (const optimizer of optimizers) optimizer.release();
    for (const group of [...whole, ...before, ...after]) group.release();
  });

  it('refuses a clipNorm, a rate and groups that make no sense, and a state that does not fit', async () => {
    const [group] = makeGroups();
    expect(() => new Adam([], { kind: 'adam', learningRate: 1 })).toThrow(/at least one parameter group/);
    expect(() => new Adam([group!], { kind: 'adam', learningRate: -1 })).toThrow(/learningRate -1/);
    expect(() => new Adam([group!], { kind: 'adam', learningRate: Number.NaN })).toThrow(/learningRate NaN/);
    for (const clipNorm of [0, -1, Number.NaN]) {
      expect(() => new Adam([group!], { kind: 'adam', learningRate: 1, clipNorm })).toThrow(InputError);
    }
    const optimizer = new Adam([group!], { kind: 'adam', learningRate: 1 });
    expect(() => writeOptimizer(optimizer, new Map(), 'file x')).toThrow(/file x: the tensor "a.first" is missing/);
    const state = await readOptimizer(optimizer);
    state.set('b.second', { shape: [100, 4], data: new Float32Array(400) });
    expect(() => writeOptimizer(optimizer, state, 'file x')).toThrow(
      /"b.second" has shape \[100, 4\], expected \[4, 100\]/,
    );
    optimizer.release();
    group!.release();
  });
});

it('a parameter larger than one binding is refused by name and sizes', async () => {
  const device = await openDevice({ limits: { maxStorageBufferBindingSize: 1024 } });
  const values = new Float32Array(257);
  expect(() => new ParameterGroup(device, 'test', [{ name: 'wide', shape: [257], values }])).toThrow(
    /parameter wide takes 1280 bytes, the adapter binds at most 1024/,
  );
  device.destroy();
});

it('a table that may span bindings is updated in parts, as a small one is', async () => {
  const outcomes: Float32Array[] = [];
  for (const limits of [{}, { maxStorageBufferBindingSize: 1024 }]) {
    const device = await openDevice({ limits });
    const values = Float32Array.from({ length: 90 * 8 }, (_, i) => Math.sin(i));
    const group = new ParameterGroup(device, 'test', [
      { name: 'before', shape: [3], values: Float32Array.of(1, 2, 3) },
      { name: 'table', shape: [90, 8], values, spansBindings: true },
      { name: 'after', shape: [3], values: Float32Array.of(4, 5, 6) },
    ]);
    group.trainable = true;
    const optimizer = new Adam([group], { kind: 'adam', learningRate: 0.1 });
    {
      using _ = device.step();
      using tape = new Tape();
      const ids = Uint32Array.of(0, 89, 40, 89, 41);
      const rows = tape.record(() => embedding(group.get('table'), ids));
      tape.backward([[rows, rows]]);
      optimizer.step();
    }
    const state = await readGroup(group);
    outcomes.push(Float32Array.from(['before', 'table', 'after'].flatMap((name) => [...state.get(name)!.data])));
    device.destroy();
  }
  expect(outcomes[1]).toEqual(outcomes[0]);
  expect(outcomes[0]!.subarray(3 + 89 * 8, 3 + 90 * 8)).not.toEqual(
    Float32Array.from({ length: 8 }, (_, i) => Math.sin(712 + i)),
  );
});
