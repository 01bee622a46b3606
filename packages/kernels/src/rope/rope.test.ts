/** Rotary embedding against the float64 reference, up to position 4095, and its inverse. */
import type { Device } from '@crossgate/gpu';
import * as reference from '@crossgate/testing';
import { expectClose, randomIntegers, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { rope, ropeTable } from './rope';

const theta = 10_000;

async function check(device: Device, tokens: number, heads: number, headDim: number, maxPositions: number) {
  const values = randomNormal([tokens, heads, headDim], 1);
  const positionValues = Uint32Array.from(randomIntegers(tokens, maxPositions, 2));
  positionValues[0] = maxPositions - 1;
  const shared = {
    positions: upload(device, positionValues),
    table: upload(device, ropeTable(maxPositions, headDim, theta)),
    tokens,
    heads,
    headDim,
  };
  const x = upload(device, values);
  const out = uploadFilled(device, values.data.length);
  rope(device, { ...shared, x, out });
  const label = `${tokens} × ${heads} × ${headDim}`;
  expectClose(await download(device, out), reference.rope(values, positionValues, theta), { label });
  const back = uploadFilled(device, values.data.length);
  const more = randomNormal([tokens, 2 * heads, headDim], 3);
  const second = { x: upload(device, more), out: uploadFilled(device, more.data.length), heads: 2 * heads };
  rope(device, { ...shared, x: out, out: back, inverse: true, second });
  expectClose(await download(device, second.out), reference.ropeBackward(more, positionValues, theta), {
    label: `second ${label}`,
  });
  expectClose(await download(device, back), values, { label: `inverse ${label}` });
  const gradX = uploadFilled(device, values.data.length);
  rope(device, { ...shared, x, out: gradX, inverse: true });
  expectClose(await download(device, gradX), reference.ropeBackward(values, positionValues, theta), {
    label: `gradient ${label}`,
  });
}

describe('rope', () => {
  it('agrees with the reference up to position 4095', () =>
    withDevice(async (device) => {
      for (const [tokens, heads, headDim] of [
        [1, 1, 2],
        [3, 2, 6],
        [17, 3, 20],
        [65, 8, 8],
        [257, 4, 64],
        [5, 2, 128],
      ] as const) {
        await check(device, tokens, heads, headDim, 4096);
      }
    }));

  for (const { name, options } of deviceConfigurations) {
    it(`splits and folds under ${name}`, () =>
      withDevice(async (device) => {
        await check(device, 400, 4, 8, 500);
        await check(device, 130, 3, 6, 130);
      }, options));
  }

  it('refuses odd heads and short slices', () =>
    withDevice(async (device) => {
      const [x, out, other] = [uploadFilled(device, 6), uploadFilled(device, 6), uploadFilled(device, 6)];
      const args = { x, out, positions: other, table: other, tokens: 2, heads: 1 };
      expect(() => rope(device, { ...args, headDim: 3 })).toThrow('an even number is needed');
      expect(() => rope(device, { ...args, headDim: 4 })).toThrow('"x" holds 24 bytes');
      const second = { x, out, heads: 2 };
      expect(() => rope(device, { ...args, headDim: 2, second })).toThrow('"second.x" holds 24 bytes');
    }));
});
