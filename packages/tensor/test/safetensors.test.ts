/** The safetensors codec: round trips, every check of the header, and files on disk. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAtomic } from '@crossgate/files';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bytesFromFloats,
  encodeSafetensors,
  memorySource,
  readSafetensorsHeader,
  readTensorBytes,
  readTensorFloats,
  type SafetensorsInput,
} from '../src/files';
import { openFile } from '../src/node';

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A file with any header text and data. */
function fileOf(header: string, dataBytes: number, declared?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, declared ?? BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

const values = Float32Array.of(1, -2.5, 0.125, 3, 4, 5);
const inputs: SafetensorsInput[] = [
  { name: 'b', dtype: 'BF16', shape: [3, 2], bytes: () => bytesFromFloats('BF16', values) },
  { name: 'flag', dtype: 'BOOL', shape: [3], bytes: () => Uint8Array.of(1, 0, 1) },
  { name: 'a "quoted" name', dtype: 'F32', shape: [2, 3], bytes: async () => bytesFromFloats('F32', values) },
  { name: 'empty', dtype: 'F16', shape: [0, 5], bytes: () => new Uint8Array(0) },
  { name: 'scalar', dtype: 'I64', shape: [], bytes: () => new Uint8Array(8).fill(7) },
];

test('what is written is read', async () => {
  const file = await collect(encodeSafetensors(inputs, { format: 'pt', épochs: '3' }));
  const source = memorySource('m.safetensors', file);
  const header = await readSafetensorsHeader(source);
  expect(header.metadata).toEqual({ format: 'pt', épochs: '3' });
  expect([...header.tensors.keys()]).toEqual(inputs.map(({ name }) => name));
  for (const { name, dtype, shape, bytes } of inputs) {
    const tensor = header.tensors.get(name)!;
    expect([tensor.dtype, tensor.shape]).toEqual([dtype, shape]);
    expect(await collect(readTensorBytes(source, tensor, 5))).toEqual(Uint8Array.from((await bytes()) as Uint8Array));
  }
  expect(await readTensorFloats(source, header.tensors.get('a "quoted" name')!)).toEqual(values);
  expect(await readTensorFloats(source, header.tensors.get('b')!)).toEqual(values);
  await expect(readTensorFloats(source, header.tensors.get('scalar')!)).rejects.toThrow(/"scalar" is I64/);
  // The data begin on a multiple of eight bytes.
  expect(header.tensors.get('b')!.begin % 8).toBe(0);
});

test('tensors may come in pieces, which must add up', async () => {
  const inPieces = (...pieces: number[]) => ({
    name: 'x',
    dtype: 'U8' as const,
    shape: [5],
    async *bytes() {
      for (const length of pieces) yield new Uint8Array(length).fill(length);
    },
  });
  const file = await collect(encodeSafetensors([inPieces(2, 3)]));
  expect(file.slice(-5)).toEqual(Uint8Array.of(2, 2, 3, 3, 3));
  await expect(collect(encodeSafetensors([inPieces(2, 2)]))).rejects.toThrow(/takes 5 bytes, got 4/);
  await expect(collect(encodeSafetensors([inPieces(2, 4)]))).rejects.toThrow(/takes 5 bytes, got 6/);
});

describe('refuses', () => {
  const entry = (over: object = {}) => ({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...over });
  const one = (over: object) => JSON.stringify({ w: entry(over) });
  test.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /only 0 bytes/],
    ['a header longer than the file', fileOf('{}', 0, 3n), /claims 3 bytes/],
    ['an absurd header length', fileOf('{}', 0, 2n ** 63n), /claims 9223372036854775808 bytes/],
    ['a header that is not JSON', fileOf('{"w":', 0), /not JSON/],
    ['a header that is no object', fileOf('[1,2]', 0), /not a JSON object/],
    ['a tensor that is no object', fileOf('{"w":3}', 0), /tensor "w" is not an object/],
    ['an unknown dtype', fileOf(one({ dtype: 'F12' }), 8), /"w" has the unknown dtype "F12"/],
    ['a dtype from the prototype', fileOf(one({ dtype: 'constructor' }), 8), /unknown dtype/],
    ['a negative size', fileOf(one({ shape: [-2] }), 8), /shape/],
    ['a fractional size', fileOf(one({ shape: [0.5] }), 8), /shape/],
    ['no shape', fileOf(one({ shape: undefined }), 8), /shape/],
    ['offsets in reverse', fileOf(one({ data_offsets: [8, 0] }), 8), /data_offsets \[8,0\]/],
    ['three offsets', fileOf(one({ data_offsets: [0, 8, 8] }), 8), /data_offsets/],
    ['a shape of another size', fileOf(one({ shape: [3] }), 8), /takes 12 bytes, but its data_offsets span 8/],
    ['an overflowing shape', fileOf(one({ shape: [2 ** 40, 2 ** 40] }), 8), /takes Infinity bytes/],
    ['a cut-off file', fileOf(one({}), 7), /beyond the file/],
    ['bytes after the end', fileOf(one({}), 9), /end at byte \d+, but the file has/],
    ['a gap', fileOf(one({ data_offsets: [4, 12] }), 12), /4 bytes before tensor "w" belong to none/],
    ['an overlap', fileOf(JSON.stringify({ v: entry(), w: entry({ data_offsets: [4, 12] }) }), 12), /"w" overlaps/],
    [
      'a name given twice',
      fileOf(
        '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0077":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
        8,
      ),
      /"w" is named twice/,
    ],
    ['metadata that is no object', fileOf('{"__metadata__":[]}', 0), /__metadata__ is not an object/],
    ['metadata that is no string', fileOf('{"__metadata__":{"a":1}}', 0), /key "a" is not a string/],
  ])('%s', async (_, bytes, message) => {
    const reading = readSafetensorsHeader(memorySource('bad.safetensors', bytes));
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(/^bad\.safetensors: /);
    await expect(reading).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  test('a header over the limit without reading it', async () => {
    let largest = 0;
    const size = 10 ** 12;
    const source = {
      name: 'huge',
      size,
      read: async (_: number, length: number) => {
        largest = Math.max(largest, length);
        return Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0);
      },
      close: async () => {},
    };
    await expect(readSafetensorsHeader(source)).rejects.toThrow(/claims 4294967296 bytes, over the limit/);
    expect(largest).toBe(8);
  });

  test('to write what could not be read', async () => {
    const w = { name: 'w', dtype: 'F32', shape: [2], bytes: () => new Uint8Array(8) } as const;
    await expect(collect(encodeSafetensors([w, w]))).rejects.toThrow(/given twice/);
    await expect(collect(encodeSafetensors([{ ...w, name: '__metadata__' }]))).rejects.toThrow(/reserved/);
    await expect(collect(encodeSafetensors([{ ...w, shape: [-1] }]))).rejects.toThrow(/cannot be written/);
    await expect(collect(encodeSafetensors([{ ...w, shape: [3] }]))).rejects.toThrow(/takes 12 bytes, got 8/);
  });
});

describe('on disk', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crossgate-tensor-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('a file is written whole and read in parts', async () => {
    const path = join(folder, 'w.safetensors');
    await writeAtomic(path, encodeSafetensors(inputs));
    const source = await openFile(path);
    expect(await readTensorFloats(source, (await readSafetensorsHeader(source)).tensors.get('b')!)).toEqual(values);
    await expect(source.read(source.size - 1, 2)).rejects.toThrow(/damaged or cut off/);
    await expect(source.read(-1, 2)).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
    await source.close();
  });

  test('a failed write leaves the earlier file and nothing else', async () => {
    const path = join(folder, 'kept.txt');
    await writeFile(path, 'earlier');
    const failing = async function* () {
      yield Uint8Array.of(1);
      throw new Error('out of luck');
    };
    await expect(writeAtomic(path, failing())).rejects.toThrow('out of luck');
    expect(await readFile(path, 'utf8')).toBe('earlier');
    expect((await readdir(folder)).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  test('a missing file and a folder are bad input', async () => {
    await expect(openFile(join(folder, 'none'))).rejects.toThrow(/there is no such file/);
    await expect(openFile(folder)).rejects.toThrow(/is not a file/);
  });
});
