/**
 * Products with a second operand of 16 bits and fewer against float64: forward, input gradient, both variants, lowered
 * limits.
 */
import type { Device } from '@crossgate/gpu';
import { InputError } from '@crossgate/gpu';
import * as testing from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { matrixOf, storages } from '../../test/narrow-matrix';
import type { MatmulArguments, MatmulShape } from './matmul';
import { matmul, planMatmul, quantizedLayout } from './matmul';

/**
 * Tokens, outputs and inputs of a layer: whole blocks, ragged blocks, ragged everything, an odd number of blocks, two
 * super-blocks.
 */
const layers = [
  [1, 8, 32],
  [17, 40, 64],
  [20, 12, 172],
  [18, 33, 45],
  [20, 1032, 96],
  [5, 12, 512],
] as const;

type Plan = NonNullable<MatmulArguments['plan']>;

async function check(
  device: Device,
  storage: string,
  [tokens, outputs, inputs]: readonly [number, number, number],
  plan?: Plan,
): Promise<void> {
  const { b, weight } = matrixOf(device, storage, outputs, inputs);
  const [x, g] = [testing.randomNormal([tokens, inputs], 1), testing.randomNormal([tokens, outputs], 2)];
  const bias = testing.randomNormal([outputs], 3);
  const before = testing.randomNormal([tokens, inputs], 4);
  const label = `${storage}, ${tokens}x${outputs}x${inputs}`;
  const { input } = testing.linearBackward(x, weight, g);
  // Of 8 bits and scales below 2⁻⁴ values stay below 8; those of two levels are larger, and so is the rounding of sums,
  // which grows as the root of their length does.
  const size = weight.data.reduce((most, value) => Math.max(most, Math.abs(value) / 8), 1);
  const rounding = size * Math.sqrt(Math.max(1, inputs / 172));

  const y = uploadFilled(device, tokens * outputs);
  const forward = { m: tokens, n: outputs, k: inputs, transposeB: true };
  matmul(device, { a: upload(device, x), b, out: y, bias: upload(device, bias), ...forward, ...(plan && { plan }) });
  const expected = testing.linear(x, weight, bias).data;
  testing.expectClose(await download(device, y), expected, { relative: 2e-5, absolute: 2e-5 * rounding, label });

  const gradient = upload(device, before);
  const backward = { m: tokens, n: inputs, k: outputs, accumulate: true };
  matmul(device, { a: upload(device, g), b, out: gradient, ...backward, ...(plan && { plan }) });
  testing.expectClose(await download(device, gradient), testing.add(before, input).data, {
    relative: 2e-5,
    absolute: 1e-4 * size,
    label: `${label}, input gradient`,
  });
}

describe.each(storages)('a matrix of %s', (storage) => {
  it.each([
    ['software', ['software']],
    ['GPU', ['skinny', 'tiled', 'tiled in parts']],
  ] as const)('is multiplied forwards and backwards (%s)', async (adapter, variants) => {
    await withDevice(async (device) => {
      const taken = new Set<string>();
      const plan = (shape: MatmulShape) => {
        const found = planMatmul(shape, { ...device.capabilities, software: adapter === 'software' });
        taken.add(found.variant === 'tiled' && found.splits > 1 ? 'tiled in parts' : found.variant);
        return found;
      };
      // Each kernel takes software adapters a second to compile: where extents are no multiples of 4, tiles are filled in
      // the same way for every storage, so two of them show it.
      const ragged = adapter === 'software' || ['Q4_0', 'f16'].includes(storage);
      for (const layer of layers) {
        if (ragged || layer.slice(1).every((extent) => extent % 4 === 0)) await check(device, storage, layer, plan);
      }
      expect([...taken].sort()).toEqual(variants);
    });
  });

  it.each(deviceConfigurations.slice(1))('is divided where it exceeds a binding, $name', async ({ options }) => {
    await withDevice(async (device) => {
      // 600 rows of 3 blocks: an odd number of scales a row, and several bindings.
      await check(device, storage, [6, 600, 96]);
    }, options);
  });
});

it('refuses slices smaller than the layout', async () => {
  await withDevice(async (device) => {
    const { quantWordsPerRow, scaleWordsPerRow, paddedColumns } = quantizedLayout(40, 4);
    expect([quantWordsPerRow, scaleWordsPerRow, paddedColumns]).toEqual([8, 1, 64]);
    const b = { bits: 4 as const, quants: uploadFilled(device, 23), scales: uploadFilled(device, 3) };
    const shape = { m: 1, n: 3, k: 40, transposeB: true };
    const [a, out] = [uploadFilled(device, 40), uploadFilled(device, 3)];
    expect(() => matmul(device, { a, b, out, ...shape })).toThrow(InputError);
    expect(() => matmul(device, { a, b, out, ...shape })).toThrow(/"b.quants" holds 92 bytes, 96 are needed/);
    const bare = { bits: 4 as const, quants: uploadFilled(device, 24) };
    expect(() => matmul(device, { a, b: bare, out, ...shape })).toThrow(/"b" has no scales, but is of scale/);
    const halves = { bits: 16 as const, bfloat: false, values: uploadFilled(device, 59) };
    expect(() => matmul(device, { a, b: halves, out, ...shape })).toThrow(/"b.values" holds 236 bytes, 240 are needed/);
  });
});
