/** The tests that RMSNorm and LayerNorm share: shapes, plans, gradients with and without the weight's, refusals. */
import type { BufferSlice, Device } from '@crossgate/gpu';
import { expectClose, type Reference, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { type NormArguments, type NormBackwardArguments, type NormPlan, planNorm } from '../src/norm';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from './harness';

const epsilon = 1e-5;

/** A norm's inputs in float64. */
export interface NormValues {
  readonly x: Reference;
  readonly weight: Reference;
  readonly bias: Reference;
  /** Of the output. */
  readonly gradient: Reference;
  readonly epsilon: number;
}

/** A norm under test. LayerNorm's arguments have a bias too; the other does not look at it. */
export interface Norm {
  readonly name: string;
  readonly forward: (device: Device, args: NormArguments & { readonly bias: BufferSlice }) => void;
  readonly backward: (device: Device, args: NormBackwardArguments) => void;
  readonly reference: (values: NormValues) => Reference;
  readonly gradients: (values: NormValues) => { readonly input: Reference; readonly weight: Reference };
  /** Added to the first row, to see digits that get lost far from zero. */
  readonly offset: number;
  /** Absolute tolerances; that of the weight grows with the root of the rows. */
  readonly tolerance: { readonly out: number; readonly input: number; readonly weight: number };
  /** What else there is to check of the backward pass. */
  readonly more?: (
    device: Device,
    args: NormBackwardArguments,
    values: NormValues,
    options: { readonly label: string; readonly absolute: number },
  ) => Promise<void>;
}

async function check(norm: Norm, device: Device, rows: number, columns: number, plan?: NormPlan): Promise<void> {
  const x = randomNormal([rows, columns], 1, 2);
  for (let i = 0; i < columns; i++) x.data[i]! += norm.offset;
  const [weight, bias] = [randomNormal([columns], 2), randomNormal([columns], 5)];
  const gradient = randomNormal([rows, columns], 3);
  const before = randomNormal([columns], 4);
  const values = { x, weight, bias, gradient, epsilon };
  const label = `${rows} × ${columns} ${plan?.variant ?? ''}${plan?.vector ? ' vec4' : ''}`;
  const inputs = { x: upload(device, x), weight: upload(device, weight) };
  const shape = { rows, columns, epsilon, ...(plan && { plan }) };
  const out = uploadFilled(device, rows * columns);
  norm.forward(device, { ...inputs, bias: upload(device, bias), out, ...shape });
  expectClose(await download(device, out), norm.reference(values), {
    label: `out ${label}`,
    absolute: norm.tolerance.out,
  });

  const gradX = uploadFilled(device, rows * columns);
  const gradWeight = uploadFilled(device, columns);
  const shared = { ...inputs, gradOut: upload(device, gradient), ...shape };
  norm.backward(device, { ...shared, gradX, gradWeight });
  const expected = norm.gradients(values);
  const absolute = norm.tolerance.weight * Math.sqrt(rows);
  expectClose(await download(device, gradX), expected.input, {
    label: `gradX ${label}`,
    absolute: norm.tolerance.input,
  });
  expectClose(await download(device, gradWeight), expected.weight, { label: `gradWeight ${label}`, absolute });

  const accumulated = upload(device, before);
  const again = uploadFilled(device, rows * columns);
  norm.backward(device, { ...shared, gradX: again, gradWeight: accumulated, accumulateWeight: true });
  const sums = expected.weight.data.map((value, c) => value + before.data[c]!);
  expectClose(await download(device, accumulated), sums, { label: `accumulated ${label}`, absolute });
  await norm.more?.(device, { ...shared, gradX: again }, values, { label, absolute });

  const alone = uploadFilled(device, rows * columns);
  norm.backward(device, { ...shared, gradX: alone });
  expect(await download(device, alone)).toEqual(await download(device, gradX));
}

/** Declares the tests of a norm. */
export function describeNorm(norm: Norm): void {
  describe(norm.name, () => {
    it('agrees with the reference in both variants on ragged shapes', () =>
      withDevice(async (device) => {
        for (const [rows, columns] of [
          [1, 1],
          [3, 4],
          [17, 64],
          [65, 3],
          [257, 20],
          [5, 257],
          [2, 2048],
        ] as const) {
          for (const software of [true, false]) {
            await check(norm, device, rows, columns, planNorm({ columns }, { software }));
            await check(norm, device, rows, columns, { ...planNorm({ columns }, { software }), vector: false });
          }
        }
      }));

    for (const { name, options } of deviceConfigurations) {
      it(`splits and folds under ${name}`, () =>
        withDevice(async (device) => {
          await check(norm, device, 130, 64);
          await check(norm, device, 257, 17);
        }, options));
    }

    it('refuses a slice that is too small, naming both sizes, and vectors that do not fit', () =>
      withDevice(async (device) => {
        const [small, fine] = [uploadFilled(device, 7), uploadFilled(device, 8)];
        const args = { x: fine, weight: fine, bias: fine, out: fine, rows: 2, columns: 4, epsilon };
        expect(() => norm.forward(device, { ...args, x: small })).toThrow('"x" holds 28 bytes, 32 are needed');
        const plan = { variant: 'row', vector: true, workgroupSize: 8 } as const;
        expect(() => norm.forward(device, { ...args, columns: 3, plan })).toThrow('3 columns are no multiple of 4');
      }));
  });
}
