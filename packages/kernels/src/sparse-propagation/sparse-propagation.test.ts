/** sparsePropagation against the float64 product, on ragged graphs with empty rows. */
import { expectClose, randomIntegers, randomNormal, reference, sparseMatmul, toFloat32 } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, upload, uploadFilled, withDevice } from '../../test/harness';
import { sparsePropagation } from './sparse-propagation';

/** Row r has (r · 7) mod 5 entries, none in every fifth row; the last row takes what is left over. */
function graph(rows: number, inputRows: number) {
  const offsets = new Uint32Array(rows + 1);
  for (let r = 0; r < rows; r++) offsets[r + 1] = offsets[r]! + (r === rows - 1 ? 9 : (r * 7) % 5);
  const entries = offsets[rows]!;
  return {
    offsets,
    neighbors: Uint32Array.from(randomIntegers(entries, inputRows, 11)),
    weights: toFloat32(randomNormal([entries], 12)),
  };
}

const shapes = [
  { rows: 1, inputRows: 1, columns: 1 },
  { rows: 17, inputRows: 5, columns: 3 },
  { rows: 65, inputRows: 257, columns: 20 },
  { rows: 300, inputRows: 70, columns: 63 },
  { rows: 300, inputRows: 400, columns: 64 },
];

describe.each(deviceConfigurations)('sparsePropagation, $name', ({ options }) => {
  it('sums weighted neighbors', async () => {
    await withDevice(async (device) => {
      for (const { rows, inputRows, columns } of shapes) {
        for (const accumulate of [false, true]) {
          const { offsets, neighbors, weights } = graph(rows, inputRows);
          const x = randomNormal([inputRows, columns], 3);
          const before = reference([rows, columns], (i) => (i % 11) - 5);
          const out = upload(device, before);
          sparsePropagation(device, {
            offsets: upload(device, offsets),
            neighbors: upload(device, neighbors),
            weights: upload(device, weights),
            x: upload(device, x),
            out,
            rows,
            inputRows,
            columns,
            accumulate,
          });
          const sums = sparseMatmul({ offsets, neighbors, weights }, x);
          const expected = sums.data.map((sum, i) => sum + (accumulate ? before.data[i]! : 0));
          expectClose(await download(device, out), expected, {
            absolute: 5e-6,
            label: `sparsePropagation ${rows}x${columns} from ${inputRows}, accumulate ${accumulate}`,
          });
        }
      }
    }, options);
  });
});

it('refuses slices smaller than their shapes', async () => {
  await withDevice(async (device) => {
    const small = uploadFilled(device, 4);
    const one = upload(device, Uint32Array.of(0, 1, 1));
    const args = { offsets: one, neighbors: one, weights: small, x: small, rows: 2, inputRows: 1, columns: 4 };
    expect(() => sparsePropagation(device, { ...args, out: small })).toThrow('"out" holds 16 bytes, 32 are needed');
    const out = uploadFilled(device, 8);
    expect(() => sparsePropagation(device, { ...args, out, weights: upload(device, Uint32Array.of(1)) })).toThrow(
      '"weights" holds 4 bytes, 12 are needed',
    );
  });
});
