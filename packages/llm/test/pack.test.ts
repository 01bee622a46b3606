/** Stored blocks taken apart by words, against taking them apart byte by byte. */
import { randomStored, splitStored } from '@crossgate/testing';
import { expect, it } from 'vitest';
import { storedTypes } from '../src/formats/dequantize';
import { BlockPacker, isPackedType } from '../src/formats/pack';

const types = [...storedTypes.keys()].filter(isPackedType);

it('knows every type of blocks', () => {
  expect(types).toEqual([...storedTypes.values()].filter(({ blockSize }) => blockSize > 1).map(({ name }) => name));
});

it.each(types)('takes blocks of %s apart, from any byte on and in parts of any length', (type) => {
  const bytes = randomStored(type, 12, 5);
  const blockBytes = bytes.length / 12;
  const expected = splitStored(type, bytes);
  const packer = new BlockPacker();
  for (const shift of [0, 1, 2]) {
    const file = new Uint8Array(shift + bytes.length);
    file.set(bytes, shift);
    // A larger weight before must leave nothing behind.
    for (const parts of [[12], [1, 2, 9], [5, 7]]) {
      packer.begin(expected.scales.length);
      const quants: number[] = [];
      let begin = shift;
      for (const part of parts) {
        const packed = packer.add(type, file.subarray(begin, begin + part * blockBytes));
        quants.push(...new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength));
        begin += part * blockBytes;
      }
      expect(Uint8Array.from(quants)).toEqual(expected.quants);
      expect(packer.scales).toEqual(expected.scales);
    }
  }
});
