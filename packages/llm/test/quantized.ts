/** Random models whose matrices are quantized blocks, for tests. */
import type { StoredType } from '../src/formats/index';
import type { TinyModel } from './fixtures';

/** Where the scales of a block lie. */
const halves: Readonly<Record<string, readonly number[]>> = {
  Q4_1: [0, 2],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};

/** The model with every matrix made of random blocks with scales around 0.01; `data` is what they decode to. */
export function quantized(model: TinyModel, type: StoredType, random: () => number): TinyModel {
  const weights = new Map(model.weights);
  for (const [name, { shape }] of weights) {
    if (shape.length !== 2) continue;
    const blocks = (shape[0]! * shape[1]!) / type.blockSize;
    const bytes = Uint8Array.from({ length: blocks * type.blockBytes }, () => Math.floor(random() * 256));
    const scalesAt = halves[type.name] ?? [0];
    for (let block = 0; block < blocks; block++) {
      if (type.blockSize === 1) {
        // Floats below 2 in size: the upper byte of the exponent is that of numbers around 0.01 or of zero.
        bytes[(block + 1) * type.blockBytes - 1]! &= type.name === 'F16' ? 0xa3 : 0xbc;
      } else {
        for (const at of scalesAt)
          bytes[block * type.blockBytes + at + 1] = 0x20 | (bytes[block * type.blockBytes + at + 1]! & 3);
      }
    }
    weights.set(name, { shape, data: type.decode(bytes), stored: { type: type.name, bytes } });
  }
  return { ...model, weights };
}
