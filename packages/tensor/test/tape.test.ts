// The tape itself: shared inputs, memory, checkpoints.
import type { Device } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import { expectClose, randomNormal } from '@crossgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tensor } from '../src';
import { add, checkpoint, fromHost, linear, multiply, ParameterGroup, relu, reshape, Tape, tidy, zeros } from '../src';
import { runGradients, tensorOf } from './harness';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

const x = randomNormal([4, 6], 1);

describe('an input that is used more than once', () => {
  // y = x·x + x + x + relu(x): gradients arrive by give and by target, shared and alone, in either order.
  const body = (input: Tensor) => {
    const square = multiply(input, input);
    const twice = add(input, input);
    return add(relu(input), add(reshape(reshape(square, [24]), [4, 6]), twice));
  };
  it.each([true, false])('sums its gradients (parameters: %s)', async (asParameters) => {
    const { gradients, weight } = await runGradients(device, [x], body as never, asParameters);
    const expected = x.data.map((value, i) => (2 * value + 2 + (value > 0 ? 1 : 0)) * weight.data[i]!);
    expectClose(gradients[0]!, expected, { label: 'gradient' });
  });
});

describe('memory', () => {
  it('is returned as the backward pass goes, all of it', async () => {
    const group = new ParameterGroup(device, 'test', [
      { name: 'w', shape: [6, 6], values: Float32Array.from(randomNormal([6, 6], 2).data) },
    ]);
    group.trainable = true;
    using _ = device.step();
    const before = device.report().step.current;
    const tape = new Tape();
    tape.record(() => {
      tidy(device, () => {
        let h: Tensor = tensorOf(device, x);
        for (let i = 0; i < 5; i++) h = relu(linear(h, group.get('w')));
        return undefined;
      });
    });
    expect(tape.length).toBe(10);
    const during = device.report().step.current;
    expect(during).toBeGreaterThan(before);
    tape.backward();
    expect(device.report().step.current).toBe(before);
    group.release();
  });

  it('of a discarded tape is returned', () => {
    using _ = device.step();
    const before = device.report().step.current;
    const tape = new Tape();
    const input = zeros(device, [4, 4]);
    input.requiresGrad = true;
    const scope = device.memory.openScope();
    tape.record(() => multiply(input, input));
    scope.close();
    device.memory.releaseEarly(input.slice);
    expect(device.report().step.current).toBeGreaterThan(before);
    tape.discard();
    expect(device.report().step.current).toBe(before);
  });
});

describe('checkpoint', () => {
  it('gives the same gradients as no checkpoint, bit for bit, with less memory', async () => {
    const specs = [0, 1, 2].map((i) => ({
      name: `w${i}`,
      shape: [6, 6],
      values: Float32Array.from(randomNormal([6, 6], 10 + i).data),
    }));
    const results: Float32Array[][] = [];
    const peaks: number[] = [];
    for (const checkpointed of [false, true]) {
      const group = new ParameterGroup(device, 'test', specs);
      group.trainable = true;
      using _ = device.step();
      group.zeroGradients();
      const input = fromHost(device, [4, 6], Float32Array.from(x.data));
      input.requiresGrad = true;
      const tape = new Tape();
      const block = (h: Tensor) => {
        let out = h;
        for (const parameter of group.parameters) out = relu(linear(out, parameter));
        return out;
      };
      const output = tape.record(() =>
        tidy(device, () => (checkpointed ? checkpoint(device, [input], (h) => block(h!)) : block(input))),
      );
      peaks.push(device.report().step.current);
      const seed = tensorOf(device, randomNormal([4, 6], 20));
      const [gradient] = tape.backward([[output, seed]], [input]);
      results.push([
        await gradient!.read(),
        ...(await Promise.all(
          group.parameters.map(async (p) => new Float32Array(await device.recorder.read(p.gradient))),
        )),
      ]);
      group.release();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[0]!.every((values) => values.some((value) => value !== 0))).toBe(true);
    expect(peaks[1]).toBeLessThan(peaks[0]!);
  });
});
