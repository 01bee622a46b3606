/** gather against the float64 lookup. */
import { expectClose, gatherRows, randomIntegers, reference, strideRevealing, toFloat32 } from '@crossgate/testing';
import { describe, expect, it } from 'vitest';
import { deviceConfigurations, download, downloadIntegers, upload, uploadFilled, withDevice } from '../../test/harness';
import { matrixOf, storages } from '../../test/narrow-matrix';
import { gather } from './gather';

const shapes = [
  { rows: 1, columns: 1, tableRows: 1 },
  { rows: 3, columns: 17, tableRows: 5 },
  { rows: 65, columns: 8, tableRows: 257 },
  { rows: 257, columns: 20, tableRows: 400 },
  { rows: 17, columns: 63, tableRows: 70 },
];

describe.each(deviceConfigurations)('gather, $name', ({ options }) => {
  it('reads the rows that the indices name, and zero rows beyond the table', async () => {
    await withDevice(async (device) => {
      for (const { rows, columns, tableRows } of shapes) {
        const table = strideRevealing([tableRows, columns]);
        const chosen = randomIntegers(rows, tableRows, 7);
        if (rows > 2) chosen.set([tableRows - 1, -1], rows - 2);
        const out = uploadFilled(device, rows * columns);
        gather(device, {
          table: upload(device, toFloat32(table)),
          indices: upload(device, Uint32Array.from(chosen)),
          out,
          rows,
          columns,
          tableRows,
        });
        expectClose(await download(device, out), gatherRows(table, chosen).data, {
          relative: 0,
          absolute: 0,
          label: `gather ${rows}x${columns} of ${tableRows}`,
        });
      }
    }, options);
  });
});

describe.each(storages)('a table of %s', (storage) => {
  it.each(deviceConfigurations)('is widened as its rows are read, $name', async ({ options }) => {
    await withDevice(async (device) => {
      for (const { rows, columns, tableRows } of [...shapes.slice(1), { rows: 40, columns: 96, tableRows: 600 }]) {
        const { b, weight } = matrixOf(device, storage, tableRows, columns);
        const chosen = randomIntegers(rows, tableRows, 7);
        chosen.set([tableRows - 1, -1], rows - 2);
        const out = uploadFilled(device, rows * columns);
        const indices = upload(device, Uint32Array.from(chosen));
        gather(device, { table: b, indices, out, rows, columns, tableRows });
        expectClose(await download(device, out), gatherRows(weight, chosen).data, {
          relative: 1e-7,
          absolute: 0,
          label: `gather ${rows}x${columns} of ${tableRows} in ${storage}`,
        });
      }
    }, options);
  });
});

it('treats every index from the table size on as none', async () => {
  await withDevice(async (device) => {
    const out = uploadFilled(device, 8);
    gather(device, {
      table: upload(device, toFloat32(reference([2, 4], (i) => i + 1))),
      indices: upload(device, Uint32Array.of(2, 1)),
      out,
      rows: 2,
      columns: 4,
      tableRows: 2,
    });
    expect([...(await download(device, out))]).toEqual([0, 0, 0, 0, 5, 6, 7, 8]);
  });
});

it('refuses slices smaller than their shapes', async () => {
  await withDevice(async (device) => {
    const small = uploadFilled(device, 8);
    const indices = upload(device, Uint32Array.of(0));
    expect(() => gather(device, { table: small, indices, out: small, rows: 1, columns: 4, tableRows: 3 })).toThrow(
      /"table" holds 32 bytes, 48 are needed/,
    );
  });
});

it('moves small integers as they are, from any part of their table', async () => {
  await withDevice(
    async (device) => {
      const table = Uint32Array.from({ length: 5000 }, (_, i) => (i * 2_654_435_761) >>> (i % 32));
      const indices = Uint32Array.from({ length: 300 }, (_, i) => (i % 50 === 49 ? 5000 : (i * 4999) % 5000));
      const out = upload(device, new Uint32Array(indices.length));
      const shape = { rows: indices.length, columns: 1, tableRows: table.length, integers: true };
      gather(device, { table: upload(device, table), indices: upload(device, indices), out, ...shape });
      expect(await downloadIntegers(device, out)).toEqual(indices.map((index) => table[index] ?? 0));
      const wide = { table: out, indices: out, out, rows: 1, columns: 2, tableRows: 2, integers: true };
      expect(() => gather(device, wide)).toThrow(/integers in 2 columns/);
    },
    { limits: { maxStorageBufferBindingSize: 16_384 } },
  );
});
