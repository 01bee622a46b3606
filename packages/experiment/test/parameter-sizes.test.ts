/** Parameters that do not fit the device are found before anything is trained. */
import { describe, expect, it } from 'vitest';
import { checkParameterSizes, parameterBytes } from '../src/runners/parameter-sizes';

describe('checkParameterSizes', () => {
  const device = {
    capabilities: {
      name: 'a small one',
      limits: { maxStorageBufferBindingSize: 4096, maxBufferSize: 2 ** 20, minStorageBufferOffsetAlignment: 256 },
    },
  } as Parameters<typeof checkParameterSizes>[0];

  it('lets pass what just fits and names what does not', () => {
    expect(parameterBytes([32, 32])).toBe(4096);
    checkParameterSizes(device, 'a.b', new Map([['w', [32, 32]]]));
    const shapes = new Map([
      ['small', [4]],
      ['w', [33, 32]],
    ]);
    expect(() => checkParameterSizes(device, 'a.b', shapes)).toThrow(
      'a.b: w [33, 32] takes 4.1 KiB, but a small one binds at most 4.0 KiB; lower a.b',
    );
    expect(() => checkParameterSizes(device, 'a.b', shapes)).toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  it('lets tables of users and items be taken in parts, as long as a batch of vectors can', () => {
    const table = (name: string, columns: number) => new Map([[name, [9999, columns]]]);
    // 64 indices take 256 bytes, so 64 rows must fit.
    checkParameterSizes(device, 'a.b', table('user_embedding.weight', 16));
    for (const [name, columns] of [
      ['item_embedding.weight', 17],
      ['position_embedding.weight', 16],
    ] as const) {
      expect(() => checkParameterSizes(device, 'a.b', table(name, columns))).toThrow(
        `${name} [9999, ${columns}] takes`,
      );
    }
  });

  it('names a table that no buffer of the device, or no array, can hold', () => {
    const table = new Map([['user_embedding.weight', [16_385, 16]]]);
    expect(() => checkParameterSizes(device, 'a.b', table)).toThrow(
      'takes 1.0 MiB, but a buffer of a small one has at most 1.0 MiB; lower a.b',
    );
    const { capabilities } = device;
    const large = { capabilities: { ...capabilities, limits: { ...capabilities.limits, maxBufferSize: 2 ** 40 } } };
    const values = (rows: number) => new Map([['user_embedding.weight', [rows, 16]]]);
    checkParameterSizes(large, 'a.b', values(2 ** 26));
    expect(() => checkParameterSizes(large, 'a.b', values(2 ** 26 + 1))).toThrow(
      'takes 4.0 GiB, but an array of JavaScript has at most 4.0 GiB',
    );
  });
});
