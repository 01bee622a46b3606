/** SwiGLU against the float64 reference, with vectors, scalars and extreme gates. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { swiglu, swigluBackward } from './swiglu';

const extremes = [0, -0, 1e-6, -1e-6, 20, -20, 88, -88, 120, -120, 1000, -1000];

async function check(device: Device, count: number): Promise<void> {
  const gateValues = randomNormal([count], 1, 3);
  extremes.slice(0, Math.max(0, count - 1)).forEach((value, i) => {
    gateValues.data[i] = Math.fround(value);
  });
  const upValues = randomNormal([count], 2);
  const gradient = randomNormal([count], 3);
  const gate = upload(device, gateValues);
  const up = upload(device, upValues);
  const out = uploadFilled(device, count);
  swiglu(device, { gate, up, out, count });
  expectClose(await download(device, out), reference.swiglu(gateValues, upValues), { label: `out ${count}` });

  const gradGate = uploadFilled(device, count);
  const gradUp = uploadFilled(device, count);
  swigluBackward(device, { gate, up, gradOut: upload(device, gradient), gradGate, gradUp, count });
  const expected = reference.swigluBackward(gateValues, upValues, gradient);
  expectClose(await download(device, gradGate), expected.gate, { label: `gradGate ${count}` });
  expectClose(await download(device, gradUp), expected.up, { label: `gradUp ${count}` });
}

describe('swiglu', () => {
  for (const { name, options } of deviceConfigurations) {
    it(`agrees with the reference under ${name}`, () =>
      withDevice(async (device) => {
        for (const count of [1, 3, 17, 64, 257, 5 * 172, 4099, 9000]) await check(device, count);
      }, options));
  }

  it('agrees where an invocation handles several values', () =>
    withDevice(async (device) => {
      for (const count of [16_385, 70_000]) await check(device, count);
    }));

  it('refuses a slice that is too small', () =>
    withDevice(async (device) => {
      const [a, b, c] = [4, 4, 3].map((count) => uploadFilled(device, count));
      expect(() => swiglu(device, { gate: a!, up: b!, out: c!, count: 4 })).toThrow('"out" holds 12 bytes');
    }));
});
