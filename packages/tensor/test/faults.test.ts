/** Steps that throw in the middle: nothing of them stays on the device, and the next step is right. */
import type { Device } from '@crossgate/gpu';
import { OutOfMemoryError } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { randomNormal } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../src';
import { Adam, add, checkpoint, empty, linear, multiply, ParameterGroup, record, relu, Tape, tidy } from '../src';
import { tensorOf } from './harness';

const budget = 1 << 20;
let device: Device;
beforeAll(async () => {
  device = await openDevice({ memoryBudget: budget });
});
afterAll(() => device.destroy());

const x = randomNormal([4, 6], 1);
const seed = randomNormal([4, 6], 2);
const specs = [0, 1].map((i) => ({
  name: `w${i}`,
  shape: [6, 6],
  values: Float32Array.from(randomNormal([6, 6], 3 + i).data),
}));

/** Where the step throws; null lets it pass. */
type Place = 'forward' | 'inner scope' | 'between' | 'backward' | 'backward scope' | 'checkpoint' | 'optimizer' | null;

/** Passes its input on; throws in the forward or in the backward, with memory taken and a scope open. */
function trap(input: Tensor, forward: boolean, backward: boolean, open: boolean): Tensor {
  const fail = () => {
    if (open) input.device.memory.openScope();
    empty(input.device, [100]);
    throw new Error('in the middle');
  };
  if (forward) fail();
  const out = add(input, input);
  record('trap', [input], [out], [input, out], ([gradient], into) => {
    if (backward) fail();
    into.give(input, gradient!);
  });
  return out;
}

function step(group: ParameterGroup, optimizer: Adam, place: Place): void {
  using _ = device.step();
  group.zeroGradients();
  using tape = new Tape();
  const input = tensorOf(device, x);
  input.requiresGrad = true;
  const [first, second] = group.parameters;
  const body = (h: Tensor) => {
    const open = place === 'inner scope' || place === 'backward scope';
    const caught = trap(
      relu(linear(h, first!)),
      place === 'forward' || place === 'inner scope',
      place === 'backward' || place === 'backward scope',
      open,
    );
    return multiply(linear(caught, second!), caught);
  };
  let again = false;
  const output = tape.record(() =>
    tidy(device, () =>
      checkpoint(device, [body(input)], (h) => {
        if (again && place === 'checkpoint') trap(relu(h!), true, false, true);
        again = true;
        return multiply(relu(h!), h!);
      }),
    ),
  );
  if (place === 'between') throw new Error('in the middle');
  tape.backward([[output, tensorOf(device, seed)]], [input]);
  if (place === 'optimizer') throw new Error('in the middle');
  optimizer.step();
}

async function valuesAfter(places: readonly Place[]): Promise<Float32Array[]> {
  const group = new ParameterGroup(device, 'test', specs);
  group.trainable = true;
  const optimizer = new Adam([group], { kind: 'adamw', learningRate: 0.1 });
  for (const place of places) {
    if (place === null) step(group, optimizer, null);
    else expect(() => step(group, optimizer, place)).toThrow('in the middle');
    expect(device.memory.depth).toBe(0);
    expect(device.report().step.current, `after ${place}`).toBe(0);
  }
  const values = await Promise.all(group.parameters.map((parameter) => parameter.read()));
  optimizer.release();
  group.release();
  return values;
}

describe('a step that throws', () => {
  const places = [
    'forward',
    'inner scope',
    'between',
    'backward',
    'backward scope',
    'checkpoint',
    'optimizer',
  ] as const;
  it.each(places)('in %s leaves no memory behind, and the next steps give the same bits', async (place) => {
    const expected = await valuesAfter([null, null]);
    expect(expected[0]).not.toEqual(specs[0]!.values);
    expect(await valuesAfter([place, null, place, place, null])).toEqual(expected);
  });

  it('may be thrown away by hand after the step, and twice', () => {
    const tape = new Tape();
    {
      using _ = device.step();
      const input = tensorOf(device, x);
      input.requiresGrad = true;
      tape.record(() => multiply(input, input));
    }
    expect(device.report().step.current).toBeGreaterThan(0);
    tape.discard();
    tape.discard();
    expect(device.report().step.current).toBe(0);
  });
});

describe('an allocation that fails in the middle', () => {
  it('takes back what was allocated before it', () => {
    const before = device.report().persistent;
    const large = { name: 'large', shape: [150_000], values: new Float32Array(150_000) };
    expect(() => new ParameterGroup(device, 'test', [large])).toThrow(OutOfMemoryError);
    expect(device.report().persistent).toEqual(before);
    const group = new ParameterGroup(device, 'test', [{ ...large, shape: [80_000], values: new Float32Array(80_000) }]);
    expect(() => new Adam([group], { kind: 'adam', learningRate: 1 })).toThrow(/for optimizer do not fit/);
    expect(Object.keys(device.report().persistent).sort()).toEqual(['test', 'test gradients']);
    group.release();
    expect(() => new ParameterGroup(device, 'test', [...specs, specs[0]!])).toThrow(/two parameters are named w0/);
    expect(device.report().persistent).toEqual(before);
  });
});
