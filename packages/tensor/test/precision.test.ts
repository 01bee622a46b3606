/** That layers multiply in the precision they are told, forwards and backwards, and which precision a device can use. */
import { type Device, InputError } from '@crossgate/gpu';
import { openDevice } from '@crossgate/gpu/node';
import type { AttentionArguments, AttentionBackwardArguments, MatmulArguments } from '@crossgate/kernels';
import { randomNormal } from '@crossgate/testing';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { attention, fromHost, linear, loraLinear, Tape, usablePrecision } from '../src';
import { attentionPrecision } from '../src/precision';
import { tensorOf } from './harness';

const kernels = vi.hoisted(() => ({
  precisions: [] as (string | undefined)[],
  checkMatrixUnits: vi.fn<() => Promise<string | null>>(),
  checkMatrixAttention: vi.fn<(device: Device, headDim: number) => Promise<string | null>>(),
}));
vi.mock('@crossgate/kernels', async (original) => {
  const actual = await original<typeof import('@crossgate/kernels')>();
  return {
    ...actual,
    checkMatrixUnits: kernels.checkMatrixUnits,
    checkMatrixAttention: kernels.checkMatrixAttention,
    attention(device: Device, args: AttentionArguments) {
      kernels.precisions.push(args.precision);
      actual.attention(device, args);
    },
    attentionBackward(device: Device, args: AttentionBackwardArguments) {
      kernels.precisions.push(args.precision);
      actual.attentionBackward(device, args);
    },
    matmul(device: Device, { precision, ...args }: MatmulArguments) {
      kernels.precisions.push(precision);
      actual.matmul(device, args);
    },
  };
});

it('reaches every product of a layer', async () => {
  const device = await openDevice();
  const step = device.step();
  const made = ([rows, columns]: [number, number], seed: number) => {
    const tensor = tensorOf(device, randomNormal([rows, columns], seed));
    tensor.requiresGrad = true;
    return tensor;
  };
  const [x, weight, a, b] = [made([4, 8], 1), made([12, 8], 2), made([4, 8], 3), made([12, 4], 4)];
  for (const precision of ['f32', 'f16'] as const) {
    for (const [layer, products] of [
      [() => linear(x, weight, undefined, { precision }), 3],
      [() => loraLinear(x, weight, { a, b, scale: 2, precision }), 7],
    ] as const) {
      kernels.precisions.length = 0;
      const tape = new Tape();
      const out = tape.record(layer);
      tape.backward([[out, made([4, 12], 5)]], [x, weight]);
      expect(kernels.precisions).toEqual(new Array(products).fill(precision));
    }
  }
  step.end();
  await device.destroy();
});

it('reaches attention, forwards and backwards', async () => {
  const device = await openDevice();
  const step = device.step();
  const [offsets, sequenceOfToken, positions] = [
    [0, 3],
    [0, 0, 0],
    [0, 1, 2],
  ].map((values) => fromHost(device, [values.length], Uint32Array.from(values)));
  const packed = { tokens: 3, offsets: offsets!, sequenceOfToken: sequenceOfToken!, positions: positions! };
  const [query, key, value, gradient] = [1, 2, 3, 4].map((seed) => tensorOf(device, randomNormal([3, 8], seed)));
  query!.requiresGrad = true;
  for (const precision of ['f32', 'f16'] as const) {
    kernels.precisions.length = 0;
    const tape = new Tape();
    const heads = { heads: 1, keyValueHeads: 1, headDim: 8, precision };
    const out = tape.record(() => attention(query!, key!, value!, packed, heads));
    tape.backward([[out, gradient!]], [query!]);
    expect(kernels.precisions).toEqual([precision, precision]);
  }
  step.end();
  await device.destroy();
});

describe('the precision that a device can use', () => {
  const hopper = {
    ...{ name: 'nvidia-h100', software: false, f16: true, subgroups: true, subgroupSize: [32, 32] },
    matrixConfigurations: [{ component: 'f16', result: 'f32', m: 16, n: 16, k: 16 }],
    limits: {
      ...{ maxComputeWorkgroupStorageSize: 16_384, maxComputeInvocationsPerWorkgroup: 1024 },
      maxComputeWorkgroupSizeX: 1024,
    },
  };
  const warnings: string[] = [];
  const on = (device: object, precision: 'f32' | 'f16', headDim = 64) =>
    usablePrecision(device as Device, precision, '--precision', (message) => warnings.push(message), headDim);
  beforeEach(() => {
    warnings.length = 0;
    kernels.checkMatrixUnits.mockReset().mockResolvedValue(null);
    kernels.checkMatrixAttention.mockReset().mockResolvedValue(null);
  });

  it('is f32 wherever it is asked for', async () => {
    expect(await on({ capabilities: { ...hopper, software: true } }, 'f32')).toBe('f32');
    expect(kernels.checkMatrixUnits).not.toHaveBeenCalled();
  });

  it('is f16 where the matrix units compute rightly, which is found out once, for each head size', async () => {
    const device = { capabilities: hopper };
    expect(await on(device, 'f16')).toBe('f16');
    expect(await on(device, 'f16')).toBe('f16');
    expect(await on(device, 'f16', 32)).toBe('f16');
    expect(kernels.checkMatrixUnits).toHaveBeenCalledTimes(1);
    expect(kernels.checkMatrixAttention.mock.calls.map(([, headDim]) => headDim)).toEqual([64, 32]);
    expect(warnings).toEqual([]);
  });

  it('is f16 with a word where attention alone cannot be', async () => {
    expect(await on({ capabilities: hopper }, 'f16', 20)).toBe('f16');
    expect(await on({ capabilities: hopper }, 'f16', 128)).toBe('f16');
    expect(warnings).toEqual([
      'attention computes in f32: nvidia-h100 has matrix units of 16x16x16, which do not divide heads of 20',
      'attention computes in f32: nvidia-h100 has too little workgroup memory for heads of 128',
    ]);
  });

  it('leaves products in f16 with a word where attention alone is wrong', async () => {
    kernels.checkMatrixAttention.mockResolvedValueOnce('compute attention wrongly');
    const device = { capabilities: hopper };
    expect([await on(device, 'f16', 64), await on(device, 'f16', 32)]).toEqual(['f16', 'f16']);
    expect(warnings).toEqual(['attention computes in f32: the matrix units of nvidia-h100 compute attention wrongly']);
    const of = (headDim: number) => attentionPrecision(device as never, 'f16', headDim);
    expect([of(64), of(32)]).toEqual(['f32', 'f16']);
    expect(attentionPrecision({} as never, 'f16', 64)).toBe('f16');
  });

  it('is f32 with a word where they do not', async () => {
    kernels.checkMatrixUnits.mockResolvedValue('do not compile: unknown instruction');
    expect(await on({ capabilities: hopper }, 'f16')).toBe('f32');
    expect(warnings).toEqual([
      'the matrix units of nvidia-h100 do not compile: unknown instruction; computing in f32 instead of f16',
    ]);
  });

  it('is refused by name where there are none', async () => {
    const refused = on({ capabilities: { ...hopper, f16: false } }, 'f16');
    await expect(refused).rejects.toBeInstanceOf(InputError);
    await expect(refused).rejects.toMatchObject({
      code: 'gpu.limit',
      message:
        '--precision f16 needs matrix units, but nvidia-h100 does not compute in f16 (the feature shader-f16); use --precision f32',
    });
  });
});
