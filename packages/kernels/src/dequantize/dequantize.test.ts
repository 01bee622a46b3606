/** Stored weights against float64, every type: the nearest f32, to the bit. */
import { expectClose, randomStored, storedValues } from '@crossgate/testing';
import { expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { dequantize, type StoredFormatName, storedFormats } from './dequantize';

const types = Object.keys(storedFormats) as StoredFormatName[];

it.each(deviceConfigurations)('widens every type to the nearest f32, $name', async ({ options }) => {
  await withDevice(async (device) => {
    for (const type of types) {
      const { blockSize } = storedFormats[type];
      for (const blocks of blockSize === 1 ? [4, 36, 1300, 9000] : [1, 3, 9]) {
        const bytes = randomStored(type, blocks, 7 + blocks);
        const count = blocks * blockSize;
        // The values go behind others, at no multiple of 256 bytes, and leave those after them alone.
        const first = 68;
        const out = uploadFilled(device, first + count + 4, 5);
        const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
        padded.set(bytes);
        dequantize(device, { type, blocks: upload(device, new Uint32Array(padded.buffer)), out, count, first });
        const expected = Float32Array.from(storedValues(type, bytes));
        expectClose(await download(device, out), [...Array(first).fill(5), ...expected, 5, 5, 5, 5], {
          relative: 0,
          absolute: 0,
          label: `${type}, ${blocks} blocks`,
        });
      }
    }
  }, options);
});

it('refuses parts of blocks, of vectors, and slices that are too small', async () => {
  await withDevice(async (device) => {
    const [blocks, out] = [uploadFilled(device, 8), uploadFilled(device, 64)];
    expect(() => dequantize(device, { type: 'Q8_0', blocks, out, count: 16 })).toThrow(/blocks of Q8_0/);
    expect(() => dequantize(device, { type: 'F16', blocks, out, count: 6 })).toThrow(/no whole vectors of four/);
    expect(() => dequantize(device, { type: 'Q8_0', blocks, out, count: 32 })).toThrow(/"blocks" holds 32 bytes, 36/);
    expect(() => dequantize(device, { type: 'F16', blocks, out, count: 8, first: 60 })).toThrow(
      /"out" holds 256 bytes/,
    );
  });
});
