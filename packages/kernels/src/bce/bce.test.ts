/** bceWithLogits against float64, at moderate and extreme logits. */
import { expectClose, randomNormal, reference, softplus } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { bceWithLogits } from './bce';

const logisticOf = (z: number) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));

describe.each(deviceConfigurations)('bceWithLogits, $name', ({ options }) => {
  it('gives loss and scaled gradient per row', async () => {
    await withDevice(async (device) => {
      for (const rows of [1, 3, 17, 257, 5000]) {
        const logits = randomNormal([rows], 9, 4);
        const labels = reference([rows], (i) => (i % 5 === 4 ? 0.25 : i % 2));
        [80, -80, -80, 80, 0].forEach((z, i) => {
          if (i < rows) logits.data[i] = z;
        });
        const loss = uploadFilled(device, rows);
        const gradLogits = uploadFilled(device, rows);
        const common = { logits: upload(device, logits), labels: upload(device, labels), loss, rows };
        bceWithLogits(device, { ...common, gradLogits, gradScale: 1 / 3 });
        const expected = logits.data.map(
          (z, i) => labels.data[i]! * softplus(-z) + (1 - labels.data[i]!) * softplus(z),
        );
        const label = `bce ${rows}`;
        expectClose(await download(device, loss), expected, { relative: 3e-6, absolute: 1e-7, label });
        const gradient = logits.data.map((z, i) => {
          const y = labels.data[i]!;
          return ((1 - y) * logisticOf(z) - y * logisticOf(-z)) / 3;
        });
        expectClose(await download(device, gradLogits), gradient, { relative: 2e-5, absolute: 3e-8, label });
        // Confident and right: loss and gradient are e^-80, not zero.
        const extreme = { relative: 2e-5, absolute: 1e-39, label };
        expectClose((await download(device, loss)).subarray(2, 4), expected.subarray(2, 4), extreme);
        expectClose((await download(device, gradLogits)).subarray(2, 4), gradient.subarray(2, 4), extreme);
        const alone = uploadFilled(device, rows);
        bceWithLogits(device, { ...common, loss: alone });
        expect(await download(device, alone)).toEqual(await download(device, loss));
      }
    }, options);
  });
});
