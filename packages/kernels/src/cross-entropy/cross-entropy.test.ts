/** crossEntropy against float64, with ignored rows and extreme logits. */
import {
  crossEntropyBackward,
  crossEntropy as crossEntropyReference,
  expectClose,
  randomIntegers,
  randomNormal,
  reference,
} from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { crossEntropy } from './cross-entropy';

const shapes = [
  [1, 3],
  [3, 17],
  [257, 20],
  [65, 63],
  [5, 512],
] as const;

async function check(device: Parameters<typeof crossEntropy>[0], rows: number, vocab: number) {
  const logits = randomNormal([rows, vocab], 6, 5);
  logits.data[1] = 80;
  logits.data[vocab * rows - 1] = -80;
  const targets = randomIntegers(rows, vocab, 2);
  targets[0] = 0;
  if (rows > 2) targets[1] = -1;
  const loss = uploadFilled(device, rows);
  const gradLogits = uploadFilled(device, rows * vocab);
  const common = { logits: upload(device, logits), targets: upload(device, Uint32Array.from(targets)), rows, vocab };
  crossEntropy(device, { ...common, loss, gradLogits, gradScale: 0.5 });
  const label = `crossEntropy ${rows}x${vocab}`;
  expectClose(await download(device, loss), crossEntropyReference(logits, targets).data, {
    relative: 2e-6,
    absolute: 3e-6,
    label,
  });
  const weights = reference([rows], () => 0.5);
  expectClose(await download(device, gradLogits), crossEntropyBackward(logits, targets, weights).data, {
    relative: 2e-5,
    absolute: 1e-6,
    label: `${label}, gradient`,
  });
  const alone = uploadFilled(device, rows);
  crossEntropy(device, { ...common, loss: alone });
  expect(await download(device, alone)).toEqual(await download(device, loss));
}

describe.each(deviceConfigurations)('crossEntropy, $name', ({ options }) => {
  it('gives loss and gradient per row', async () => {
    await withDevice(async (device) => {
      for (const [rows, vocab] of shapes) await check(device, rows, vocab);
    }, options);
  });
});

it('serves a large vocabulary', async () => {
  await withDevice((device) => check(device, 3, 32_000));
});
