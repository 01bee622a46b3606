/** Every step of the ladder against exact products, on ragged shapes. */
import { type Device, InputError, renderKernel } from '@crossgate/gpu';
import { openDevice, openNullDevice } from '@crossgate/gpu/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download, upload, uploadFilled } from '../../test/harness';
import { canClimb, LADDER_STEPS, type LadderStep, matmulLadder } from './matmul-ladder';
import { rungOf } from './rungs';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.destroy());

/** Small whole numbers: exact in f16, and so are their sums in f32. A wrong stride or row shows. */
const values = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => ((i * 37 + seed) % 17) - 8);

function product(a: Float32Array, b: Float32Array, m: number, n: number, k: number): Float32Array {
  return Float32Array.from({ length: m * n }, (_, e) => {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += a[Math.floor(e / n) * k + i]! * b[i * n + (e % n)]!;
    return sum;
  });
}

describe.each(LADDER_STEPS)('step %s', (step: LadderStep) => {
  const byFour = step === 'vec4' || step === 'register-tiles';

  it('multiplies any shape', async (context) => {
    context.skip(!canClimb(step, device.capabilities), `no matrix units of f16 and f32: ${device.capabilities.name}`);
    for (const [m, n, k] of [
      [1, 4, 1],
      [17, 36, 33],
      [65, 68, 16],
      [64, 64, 64],
      [3, 132, 70],
      ...(byFour ? [] : ([[19, 33, 35]] as const)),
    ] as const) {
      using _ = device.step();
      const [a, b] = [values(m * k, 1), values(k * n, 5)];
      const out = uploadFilled(device, m * n);
      matmulLadder(device, { step, a: upload(device, a), b: upload(device, b), out, m, n, k });
      expect(await download(device, out), `${m} ${n} ${k}`).toEqual(product(a, b, m, n, k));
    }
  });

  it('refuses what does not fit', () => {
    using _ = device.step();
    const slice = uploadFilled(device, 24);
    const call = (changed: object) => () =>
      matmulLadder(device, { step, a: slice, b: slice, out: slice, m: 4, n: 4, k: 4, ...changed });
    expect(call({ m: 7 })).toThrow('matmulLadder: "a" holds 96 bytes, 112 are needed for its shape');
    if (byFour) expect(call({ m: 2, n: 6, k: 2 })).toThrow('needs columns by the four, got 6');
  });
});

it('says what the last steps need', () => {
  const { capabilities } = device;
  for (const lacking of [{ f16: false }, { matrixConfigurations: [] }, { subgroupSize: [8, 32] as const }]) {
    expect(canClimb('prefetch', { ...capabilities, ...lacking })).toBe(false);
    expect(canClimb('vec4', { ...capabilities, ...lacking })).toBe(true);
  }
  const without = { capabilities: { ...capabilities, f16: false } } as Device;
  const slice = { size: 4 } as never;
  const args = { a: slice, b: slice, out: slice, m: 1, n: 1, k: 1 };
  expect(() => matmulLadder(without, { step: 'matrix', ...args })).toThrow(InputError);
});

it.each([
  [16, 16, 16],
  [16, 8, 16],
  [16, 8, 8],
])('compiles for matrix units of %s x %s x %s', async (m, n, k) => {
  await using checker = await openNullDevice();
  const hardware = { ...device.capabilities, software: false, subgroupSize: [32, 32] as const };
  const matrixConfigurations = [{ component: 'f16', result: 'f32', m, n, k }];
  for (const step of ['matrix', 'prefetch'] as const) {
    const { kernel, constants } = rungOf(step, { ...hardware, matrixConfigurations });
    const code = renderKernel(kernel.declaration, { ...kernel.declaration.constants, ...constants }, true);
    const { messages } = await checker.gpu.createShaderModule({ code }).getCompilationInfo();
    expect(messages.map(({ lineNum, message }) => `${lineNum}: ${message}`)).toEqual([]);
  }
});
