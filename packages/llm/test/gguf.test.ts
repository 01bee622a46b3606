/** The GGUF header: every value type, every check, and a few hundred damaged files of both formats. */
import { readFile } from 'node:fs/promises';
import { type ByteSource, memorySource } from '@crossgate/tensor';
import { describe, expect, test } from 'vitest';
import {
  type GgufStrings,
  memoryFolder,
  openGgufModel,
  openHuggingFaceModel,
  readGgufHeader,
  storedTypes,
} from '../src/formats/index';
import {
  encodeGguf,
  encodeGgufFile,
  encodeHfFolder,
  type GgufTensorInput,
  randomModel,
  seededUniform,
} from './fixtures';
import { quantized } from './quantized';

const read = (bytes: Uint8Array) => readGgufHeader(memorySource('t.gguf', bytes));

test('refuses the type of another tensor, which leaves a gap, and allows bytes after the last', async () => {
  const wide = { vocabSize: 270, hiddenSize: 256, intermediateSize: 256, layers: 1, heads: 4, keyValueHeads: 2 };
  const bytes = encodeGguf(randomModel(wide));
  const longer = new Uint8Array(bytes.length + 100);
  longer.set(bytes);
  expect((await read(longer)).tensors).toEqual((await read(bytes)).tensors);
  // After the name: the number of dimensions, one extent, the type; Q4_K is 12.
  const at = Buffer.from(bytes).indexOf('blk.0.attn_norm.weight') + 'blk.0.attn_norm.weight'.length + 4 + 8;
  expect(bytes[at]).toBe(0);
  bytes[at] = 12;
  await expect(read(bytes)).rejects.toThrow(
    /tensor ".*" begins at offset \d+, not at \d+, where "blk\.0\.attn_norm\.weight" \(Q4_K, 144 bytes\) ends/,
  );
});

test('reads every type of value', async () => {
  const file = encodeGgufFile(
    {
      u8: { type: 'u8', value: 200 },
      i8: { type: 'i8', value: -3 },
      u16: { type: 'u16', value: 60000 },
      i16: { type: 'i16', value: -300 },
      u32: { type: 'u32', value: 4e9 },
      i32: { type: 'i32', value: -7 },
      f32: { type: 'f32', value: 0.5 },
      f64: { type: 'f64', value: 0.1 },
      u64: { type: 'u64', value: 2 ** 50 },
      i64: { type: 'i64', value: -5 },
      huge: { type: 'u64', value: 2 ** 60 },
      bool: { type: 'bool', value: true },
      text: { type: 'string', value: '\ufeffgrün 😀' },
      numbers: { type: 'array', of: 'f32', value: [1, 2.5] },
      longs: { type: 'array', of: 'i64', value: [-1, 3] },
      flags: { type: 'array', of: 'bool', value: [1, 0] },
      texts: { type: 'array', of: 'string', value: ['a', '', 'ß'] },
      nested: { type: 'nested', value: [[1, 2], [], [3]] },
      long: { type: 'string', value: 'x'.repeat(600_000) },
      // The first ends where no window does, the second is longer than any.
      vocabulary: { type: 'array', of: 'string', value: ['y'.repeat(200_001), 'z'.repeat(300_000), '\ufeffü'] },
    },
    [],
  );
  const { metadata, version, alignment } = await read(file);
  expect([version, alignment]).toEqual([3, 32]);
  const { long, texts, vocabulary, ...rest } = Object.fromEntries(metadata);
  expect(long).toHaveLength(600_000);
  expect([...(texts as GgufStrings)]).toEqual(['a', '', 'ß']);
  const { values } = vocabulary as GgufStrings;
  expect(values.map((value) => [value.length, value.at(-1)])).toEqual([
    [200_001, 'y'],
    [300_000, 'z'],
    [2, 'ü'],
  ]);
  expect(rest).toEqual({
    u8: 200,
    i8: -3,
    u16: 60000,
    i16: -300,
    u32: 4e9,
    i32: -7,
    f32: 0.5,
    f64: 0.1,
    u64: 2 ** 50,
    i64: -5,
    huge: 2n ** 60n,
    bool: true,
    text: '\ufeffgrün 😀',
    numbers: Float32Array.of(1, 2.5),
    longs: BigInt64Array.of(-1n, 3n),
    flags: Uint8Array.of(1, 0),
    nested: [Int32Array.of(1, 2), new Int32Array(0), Int32Array.of(3)],
  });
});

test('places tensors, in blocks where their type has them', async () => {
  const tensors: GgufTensorInput[] = [
    { name: 'q', shape: [3, 64], type: 'Q4_0', bytes: new Uint8Array(3 * 2 * 18) },
    { name: 'f', shape: [5], type: 'F16', bytes: new Uint8Array(10) },
    { name: 'k', shape: [1, 2, 256], type: 'Q6_K', bytes: new Uint8Array(2 * 210) },
  ];
  const { tensors: found } = await read(encodeGgufFile({}, tensors));
  expect([...found.keys()]).toEqual(['q', 'f', 'k']);
  expect(found.get('q')).toMatchObject({ shape: [3, 64], byteLength: 108 });
  expect(found.get('k')).toMatchObject({ shape: [1, 2, 256], byteLength: 420 });
  expect(found.get('f')!.begin - found.get('q')!.begin).toBe(128);
});

describe('refuses', () => {
  const f32 = (name: string, over: object = {}): GgufTensorInput => ({
    name,
    shape: [8],
    type: 'F32',
    bytes: new Uint8Array(32),
    ...over,
  });
  const file = encodeGgufFile({ key: { type: 'u32', value: 7 } }, [f32('a'), f32('b')]);
  /** The file with bytes replaced. */
  const patched = (offset: number, ...bytes: number[]) => {
    const copy = file.slice();
    copy.set(bytes, offset);
    return copy;
  };
  // Header: magic 0, version 4, tensors 8, keys 16; key at 24: length 8, 'key', type 35, value 39; tensor a at 43:
  // length 8, name 51, dimensions 52, extent 56, type 64, offset 68; tensor b at 76, its offset at 101.
  const huge = [255, 255, 255, 255, 255, 255, 255, 127];
  test.each<[string, Uint8Array, RegExp]>([
    ['a short file', file.subarray(0, 20), /too few/],
    ['another magic', patched(0, 0x58), /is no GGUF file/],
    ['version 1', patched(4, 1), /version 1; versions 2 and 3/],
    ['big-endian files', patched(4, 0, 0, 0, 3), /big-endian/],
    ['an absurd tensor count', patched(8, ...huge), /tensor count claims 9223372036854775807/],
    ['an absurd key count', patched(16, ...huge), /metadata count claims/],
    ['an absurd key length', patched(24, ...huge), /length of a metadata key claims/],
    ['an unknown value type', patched(35, 99), /"key" has the unknown type 99/],
    ['too many dimensions', patched(52, 5), /"a" has 5 dimensions/],
    ['an absurd extent', patched(56, ...huge), /"a" has a dimension of 9223372036854775807/],
    ['a tensor larger than the file', patched(56, 0, 0, 1), /"a" takes 262144 bytes/],
    ['an unknown tensor type', patched(64, 200), /"a" has the unknown ggml type 200/],
    ['rows that are no whole blocks', patched(64, 2), /"a" has rows of 8, no multiple of the 32 of Q4_0/],
    ['a first offset that is not zero', patched(68, 32), /"a" begins at offset 32, not at 0, where the first/],
    ['an unaligned offset', patched(101, 36), /"b" begins at offset 36, not at 32, where "a" \(F32, 32 bytes\) ends/],
    ['a gap', patched(101, 64), /"b" begins at offset 64, not at 32, where "a" \(F32, 32 bytes\) ends/],
    ['an overlap', patched(101, 0), /"b" begins at offset 0, not at 32/],
    ['a tensor that the file ends within', file.subarray(0, file.length - 1), /"b" ends at byte \d+, beyond/],
    [
      'an absurd offset',
      patched(101, ...huge),
      /"b" begins at offset 9223372036854775807, not at 32, where "a" \(F32, 32 bytes\) ends on a multiple of 32/,
    ],
    ['a name given twice', encodeGgufFile({}, [f32('a'), f32('a')]), /"a" stands twice/],
    [
      'an alignment that is no power of two',
      encodeGgufFile({ 'general.alignment': { type: 'u32', value: 48 } }, []),
      /general\.alignment is 48/,
    ],
    [
      'an alignment of zero',
      encodeGgufFile({ 'general.alignment': { type: 'u32', value: 0 } }, []),
      /general\.alignment is 0/,
    ],
    ['a cut-off file', file.subarray(0, file.length - 1), /beyond the file/],
  ])('%s', async (_, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(message);
    await expect(read(bytes)).rejects.toThrow(expect.objectContaining({ name: 'InputError' }));
  });

  test('a key given twice', async () => {
    const twice = encodeGgufFile({ aa: { type: 'u8', value: 1 }, ab: { type: 'u8', value: 2 } }, []);
    const at = twice.lastIndexOf('b'.charCodeAt(0));
    twice[at] = 'a'.charCodeAt(0);
    await expect(read(twice)).rejects.toThrow(/"aa" stands twice/);
  });

  test('types that cannot be read, by name', async () => {
    const model = randomModel({
      vocabSize: 32,
      hiddenSize: 32,
      intermediateSize: 32,
      layers: 1,
      heads: 2,
      keyValueHeads: 2,
    });
    // Q4_0 takes as many bytes as IQ4_NL.
    const bytes = encodeGguf(quantized(model, storedTypes.get('Q4_0')!, seededUniform(3)));
    const at = Buffer.from(bytes).indexOf('token_embd.weight') + 'token_embd.weight'.length + 4 + 16;
    expect(bytes[at]).toBe(2);
    bytes[at] = 20;
    await expect(openGgufModel(memorySource('m.gguf', bytes))).rejects.toThrow(
      /token_embd\.weight" is stored as IQ4_NL, which is not supported; supported: F32, F16, BF16, Q8_0/,
    );
  });
});

/** Counts what is asked of a file, so that a length taken on trust shows. */
function watched(bytes: Uint8Array): { source: ByteSource; largest: () => number } {
  const inner = memorySource('fuzzed', bytes);
  let largest = 0;
  return {
    source: {
      ...inner,
      read: (offset, length) => {
        largest = Math.max(largest, length);
        return inner.read(offset, length);
      },
    },
    largest: () => largest,
  };
}

/** One of: cut off, bits flipped, an eight-byte field made absurd, a run overwritten, bytes doubled. */
function damage(original: Uint8Array, headerBytes: number, random: () => number): Uint8Array {
  const at = (limit: number) => Math.floor(random() * limit);
  const bytes = original.slice();
  switch (at(5)) {
    case 0:
      return bytes.subarray(0, at(2) ? at(bytes.length) : at(headerBytes));
    case 1:
      for (let n = 1 + at(8); n > 0; n--) bytes[at(headerBytes)]! ^= 1 << at(8);
      return bytes;
    case 2: {
      const absurd = [2n ** 63n, 2n ** 64n - 1n, 2n ** 32n, 2n ** 31n, BigInt(bytes.length), 10n ** 12n][at(6)]!;
      new DataView(bytes.buffer).setBigUint64(at(headerBytes - 8), absurd, true);
      return bytes;
    }
    case 3: {
      const begin = at(headerBytes);
      return bytes.fill(at(256), begin, begin + at(64));
    }
    default: {
      const cut = at(headerBytes);
      const repeated = bytes.subarray(cut, cut + at(200));
      return Uint8Array.from([...bytes.subarray(0, cut), ...repeated, ...bytes.subarray(cut)]);
    }
  }
}

describe('damaged files end in a clear error or are still whole', () => {
  const model = randomModel({
    vocabSize: 270,
    hiddenSize: 12,
    intermediateSize: 10,
    layers: 1,
    heads: 2,
    keyValueHeads: 1,
  });

  async function outcome(open: () => Promise<unknown>): Promise<'opened' | 'refused'> {
    try {
      await open();
      return 'opened';
    } catch (error) {
      expect((error as Error).name, String((error as Error).stack)).toBe('InputError');
      expect((error as Error).message.length).toBeLessThan(1000);
      return 'refused';
    }
  }

  /** All 300 are refused or open; how many of each stands in docs/models.md. */
  async function expectInTable(format: string, { refused, opened }: Record<'refused' | 'opened', number>) {
    expect(refused + opened).toBe(300);
    const page = await readFile(new URL('../../../docs/models.md', import.meta.url), 'utf8');
    const rows = page.match(/^ *\| (GGUF|safetensors), .* \| 0 \|$/gm) ?? [];
    expect(rows.map((row) => row.trim())).toContain(`| ${format} | ${refused} | ${opened} | 0 |`);
  }

  const wide = { vocabSize: 270, hiddenSize: 32, intermediateSize: 64, layers: 1, heads: 2, keyValueHeads: 1 };
  const wider = { ...wide, hiddenSize: 256, intermediateSize: 256 };
  test.each([
    ['floats', model, 2024],
    ['Q4_1', quantized(randomModel(wide), storedTypes.get('Q4_1')!, seededUniform(3)), 2026],
    ['Q6_K', quantized(randomModel(wider), storedTypes.get('Q6_K')!, seededUniform(3)), 2027],
  ])(
    'GGUF of %s, 300 of them',
    async (type, whole, seed) => {
      const original = encodeGguf(whole, { tokenizer: true });
      const { tensors } = await read(original);
      const headerBytes = Math.min(...[...tensors.values()].map(({ begin }) => begin));
      const random = seededUniform(seed);
      const counts = { opened: 0, refused: 0 };
      for (let i = 0; i < 300; i++) {
        const { source, largest } = watched(damage(original, headerBytes, random));
        counts[
          await outcome(async () => {
            const { source: weights } = await openGgufModel(source);
            for (const name of weights.tensors.keys()) await weights.readAll(name);
          })
        ]++;
        expect(largest()).toBeLessThanOrEqual(original.length + 300);
      }
      await expectInTable(`GGUF, ${type}`, counts);
    },
    60_000,
  );

  test('safetensors, 300 of them', async () => {
    const files = await encodeHfFolder(model);
    const original = files.get('model.safetensors')!;
    const headerBytes = 8 + Number(new DataView(original.buffer).getBigUint64(0, true));
    const random = seededUniform(2025);
    const counts = { opened: 0, refused: 0 };
    for (let i = 0; i < 300; i++) {
      const damaged = damage(original, headerBytes, random);
      const folder = memoryFolder('fuzzed', new Map([...files, ['model.safetensors', damaged]]));
      let largest = 0;
      const open = async (name: string) => {
        const { source, largest: seen } = watched(name === 'model.safetensors' ? damaged : files.get(name)!);
        return {
          ...source,
          read: async (offset: number, length: number) => {
            const bytes = await source.read(offset, length);
            largest = Math.max(largest, seen());
            return bytes;
          },
        };
      };
      counts[
        await outcome(async () => {
          const weights = await openHuggingFaceModel({ ...folder, open });
          for (const name of weights.tensors.keys()) await weights.readAll(name);
        })
      ]++;
      expect(largest).toBeLessThanOrEqual(original.length + 300);
    }
    await expectInTable('safetensors, floats', counts);
  }, 60_000);
});
