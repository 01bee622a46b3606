/** The gradient of a norm's weight against float64, with and without a mean, on ragged shapes. */
import type { Device } from '@crossgate/gpu';
import { expectClose, randomNormal } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { normWeightGradient } from './norm-weight';

async function check(device: Device, rows: number, columns: number, centered: boolean): Promise<void> {
  const [x, gradient] = [randomNormal([rows, columns], 1), randomNormal([rows, columns], 2)];
  const [mean, inverse] = [randomNormal([rows], 3), randomNormal([rows], 4)];
  const before = randomNormal([columns], 5);
  const expected = Float64Array.from(before.data, (sum, c) => {
    for (let r = 0; r < rows; r++) {
      const own = x.data[r * columns + c]! - (centered ? mean.data[r]! : 0);
      sum += gradient.data[r * columns + c]! * own * inverse.data[r]!;
    }
    return sum;
  });
  const moments = Float32Array.from({ length: 2 * rows }, (_, i) => (i % 2 === 0 ? mean : inverse).data[i >> 1]!);
  const statistics = upload(device, centered ? moments : inverse);
  const args = { x: upload(device, x), gradOut: upload(device, gradient), statistics, centered, rows, columns };
  for (const vector of columns % 4 === 0 ? [false, true] : [false]) {
    const gradWeight = upload(device, before);
    normWeightGradient(device, { ...args, gradWeight, accumulate: true, vector });
    const label = `${rows} × ${columns}${centered ? ' centered' : ''}${vector ? ' vec4' : ''}`;
    expectClose(await download(device, gradWeight), expected, { label, absolute: 1e-5 * Math.sqrt(rows) });
  }
}

describe('normWeightGradient', () => {
  for (const { name, options } of deviceConfigurations) {
    it(`agrees with the reference under ${name}`, () =>
      withDevice(async (device) => {
        for (const centered of [false, true]) {
          await check(device, 1, 1, centered);
          await check(device, 7, 12, centered);
          await check(device, 150, 64, centered);
          await check(device, 257, 17, centered);
        }
      }, options));
  }

  it('refuses statistics that are too small, naming both sizes', () =>
    withDevice(async (device) => {
      const fine = uploadFilled(device, 8);
      const args = { x: fine, gradOut: fine, gradWeight: fine, rows: 2, columns: 4, centered: true };
      expect(() => normWeightGradient(device, { ...args, statistics: uploadFilled(device, 3) })).toThrow(
        '"statistics" holds 12 bytes, 16 are needed',
      );
    }));
});
