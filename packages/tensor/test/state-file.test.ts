/** State dicts through safetensors files. */
import { describe, expect, it } from 'vitest';
import { encodeState, type HostState, memorySource, parseState } from '../src';

async function bytesOf(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Uint8Array[] = [];
  for await (const part of parts) copies.push(part.slice());
  return Buffer.concat(copies);
}

describe('state files', () => {
  it('give back every tensor, its shape, the order and the metadata', async () => {
    const backing = Float32Array.of(9, 1.5, -0, Number.MIN_VALUE, 3e38, Number.NaN, 9);
    const state: HostState = new Map([
      ['b', { shape: [5, 1], data: backing.subarray(1, 6) }], // A view: its offset must count.
      ['a', { shape: [], data: Float32Array.of(7) }],
      ['empty', { shape: [0, 3], data: new Float32Array(0) }],
    ]);
    const file = await bytesOf(encodeState(state, { epoch: '3' }));
    const { state: again, metadata } = await parseState(memorySource('x', file));
    expect(metadata).toEqual({ epoch: '3' });
    expect([...again]).toEqual([...state].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
    expect(Object.is(again.get('b')!.data[1], -0)).toBe(true);
  });

  it('refuse a damaged file by name', async () => {
    const file = await bytesOf(encodeState(new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }]])));
    await expect(parseState(memorySource('cut.safetensors', file.subarray(0, -4)))).rejects.toThrow(/cut\.safetensors/);
  });
});
