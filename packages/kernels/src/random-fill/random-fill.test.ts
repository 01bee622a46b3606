/** Random contents against the generator in float64, word by word. */
import { float16ToFloat32 } from '@crossgate/core';
import { expectClose, philox4x32 } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, downloadIntegers, uploadFilled, withDevice } from '../../test/harness';
import { randomFill } from './random-fill';

const random = { seed: 0xdeadbeef, stream: 3_000_000_000 };

/** Words of the generator, from the first on. */
function wordsOf(count: number): number[] {
  const blocks = Array.from({ length: count / 4 }, (_, i) =>
    philox4x32([i, 0, random.stream, 2], [random.seed, 0x43524f53]),
  );
  return blocks.flat();
}

describe.each(deviceConfigurations)('randomFill, $name', ({ options }) => {
  it('gives words, numbers and halves of the generator', async () => {
    await withDevice(async (device) => {
      // Several bindings under low limits.
      const count = 9000;
      const out = uploadFilled(device, count);
      const words = wordsOf(count);
      randomFill(device, { out, kind: 'words', ...random });
      expect([...(await downloadIntegers(device, out))]).toEqual(words);
      randomFill(device, { out, kind: 'f32', low: -3, high: 5, ...random });
      const numbers = words.map((word) => -3 + 8 * ((word >>> 8) / 2 ** 24));
      expectClose(await download(device, out), numbers, { relative: 1e-6, absolute: 1e-6, label: 'f32' });
      randomFill(device, { out, kind: 'f16', low: 1, high: 2, ...random });
      const halves = words.flatMap((word) => [word & 0xffff, word >>> 16]).map((half) => 1 + half / 2 ** 16);
      const actual = float16ToFloat32(new Uint16Array((await downloadIntegers(device, out)).buffer));
      // A half below 2 has steps of 2⁻¹⁰.
      expectClose(actual, halves, { relative: 0, absolute: 2 ** -10, label: 'f16' });
    }, options);
  });
});

it('refuses what is no whole number of blocks, and an empty interval', async () => {
  await withDevice(async (device) => {
    const fill = (count: number, high: number) => () =>
      randomFill(device, { out: uploadFilled(device, count), kind: 'f32', low: 1, high, ...random });
    expect(fill(6, 2)).toThrow(/"out" holds 24 bytes, a multiple of 16/);
    expect(fill(8, 1)).toThrow(/high is 1, a number above low, 1/);
  });
});
