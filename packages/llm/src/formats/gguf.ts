/** Parses the header of GGUF files, versions 2 and 3: metadata, and the place of each tensor. */
import { type ByteSource, InputError, quoted } from '@crossgate/tensor';
import { storedTypes } from './dequantize';
import { describeUnknownType, type GgmlType, ggmlTypes } from './ggml-types';
import { HeaderReader } from './gguf-reader';
import type { GgufStrings } from './gguf-strings';
import { describeOther } from './recognize';

/** Numbers of an array in the metadata. 64-bit integers stay exact; booleans are 0 and 1. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A metadata value. 64-bit integers are numbers if these hold them exactly, else bigints. */
export type GgufValue = number | bigint | boolean | string | GgufStrings | GgufNumbers | readonly GgufValue[];

/** A tensor in a GGUF file: its type and place. */
export interface GgufTensor {
  /** GGUF's name, such as `blk.0.attn_q.weight`. */
  readonly name: string;
  /** How it is stored. */
  readonly type: GgmlType;
  /** Outermost dimension first, row-major: the reverse of the order in the file. */
  readonly shape: readonly number[];
  /** Offset of its first byte from the start of the file. */
  readonly begin: number;
  /** Number of its bytes. */
  readonly byteLength: number;
}

/** The checked header of a GGUF file. */
export interface GgufHeader {
  /** Version of the format, 2 or 3. */
  readonly version: number;
  /** The data of every tensor begin at a multiple of this many bytes, a power of two. */
  readonly alignment: number;
  /** All metadata by key, such as `llama.block_count`. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** All tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** Bytes of one element, by the number of the value type in the file. */
const scalarBytes: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const newerValue = 'which is newer than this version; types 0 to 12 are read.';
const typeBoolean = 7;
const typeString = 8;
const typeArray = 9;
/** Arrays nested deeper than this come from damaged files. */
const maxArrayDepth = 3;

/**
 * Reads and checks a header. It reads no tensor data, and allocates nothing for which the file is too short.
 *
 * @throws {InputError} naming the file and what is wrong, for anything but a well-formed little-endian file of version
 * 2 or 3.
 */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const reader = new HeaderReader(source);
  if (source.size < 24)
    throw new InputError(`${source.size} bytes are too few for a GGUF file.`, {
      code: 'model.damaged',
      place: source.name,
    });
  if ((await reader.uint32()) !== 0x46554747)
    throw new InputError(`${source.name} is ${await describeOther(source)}`, { code: 'model.unsupported' });
  const version = await reader.uint32();
  if (version === 0x02000000 || version === 0x03000000) {
    throw new InputError(`${source.name} is a big-endian GGUF file`, {
      code: 'model.unsupported',
      fix: 'convert it to little-endian.',
    });
  }
  if (version !== 2 && version !== 3) {
    throw new InputError(`${source.name} is GGUF version ${version}; versions 2 and 3 are supported.`, {
      code: 'model.unsupported',
    });
  }
  // The shortest tensor entry has a name length, a count, a type and an offset; the shortest key a length, a type, a byte.
  const tensorCount = reader.checkCount(await reader.uint64(), 24, 'the tensor count');
  const keyCount = reader.checkCount(await reader.uint64(), 13, 'the metadata count');

  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = await reader.string('a metadata key');
    if (metadata.has(key)) reader.fail(`metadata key ${quoted(key)} stands twice`);
    metadata.set(key, await readValue(reader, await reader.uint32(), key, 0));
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  const validAlignment =
    typeof alignment === 'number' && Number.isInteger(alignment) && alignment >= 1 && alignment <= 2 ** 20;
  if (!validAlignment || (alignment & (alignment - 1)) !== 0) {
    return reader.fail(`general.alignment is ${String(alignment).slice(0, 40)}, not a power of two`);
  }

  const entries: TensorEntry[] = [];
  for (let i = 0; i < tensorCount; i++) entries.push(await readTensorEntry(reader));
  const dataBegin = Math.ceil(reader.position / alignment) * alignment;
  return { version, alignment, metadata, tensors: placeTensors(reader, entries, dataBegin, alignment) };
}

async function readValue(reader: HeaderReader, type: number, key: string, depth: number): Promise<GgufValue> {
  if (type === typeString) return reader.string(`metadata ${quoted(key)}`);
  if (type === typeArray) return readArray(reader, key, depth);
  const bytes = scalarBytes[type];
  if (bytes === undefined) return reader.refuse(`metadata ${quoted(key)} has the unknown type ${type}, ${newerValue}`);
  const value = numbersOf(type, await reader.take(bytes))[0]!;
  if (type === typeBoolean) return value !== 0;
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

async function readArray(reader: HeaderReader, key: string, depth: number): Promise<GgufValue> {
  const label = `metadata ${quoted(key)}`;
  if (depth >= maxArrayDepth) return reader.fail(`${label} nests arrays deeper than ${maxArrayDepth}`);
  const type = await reader.uint32();
  const declared = await reader.uint64();
  if (type === typeString) {
    const count = reader.checkCount(declared, 8, label);
    return reader.strings(count, `an entry of ${label}`);
  }
  if (type === typeArray) {
    const count = reader.checkCount(declared, 12, label);
    const arrays: GgufValue[] = [];
    for (let i = 0; i < count; i++) arrays.push(await readArray(reader, key, depth + 1));
    return arrays;
  }
  const bytes = scalarBytes[type];
  if (bytes === undefined) return reader.refuse(`${label} is an array of the unknown type ${type}, ${newerValue}`);
  return numbersOf(type, await reader.take(reader.checkCount(declared, bytes, label) * bytes));
}

/** Copies little-endian numbers of a value type into the typed array of that type. */
function numbersOf(type: number, bytes: Uint8Array): GgufNumbers {
  const { buffer } = new Uint8Array(bytes);
  switch (type) {
    case 1:
      return new Int8Array(buffer);
    case 2:
      return new Uint16Array(buffer);
    case 3:
      return new Int16Array(buffer);
    case 4:
      return new Uint32Array(buffer);
    case 5:
      return new Int32Array(buffer);
    case 6:
      return new Float32Array(buffer);
    case 10:
      return new BigUint64Array(buffer);
    case 11:
      return new BigInt64Array(buffer);
    case 12:
      return new Float64Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

interface TensorEntry {
  readonly name: string;
  readonly type: GgmlType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** From the start of the data section. */
  readonly offset: bigint;
}

async function readTensorEntry(reader: HeaderReader): Promise<TensorEntry> {
  const name = await reader.string('a tensor name');
  const label = `tensor ${quoted(name)}`;
  const dimensions = await reader.uint32();
  if (dimensions > 4) reader.fail(`${label} has ${dimensions} dimensions; at most 4 are possible`);
  const shape: number[] = [];
  let elements = 1n;
  for (let i = 0; i < dimensions; i++) {
    const extent = await reader.uint64();
    elements *= extent;
    if (extent > BigInt(Number.MAX_SAFE_INTEGER) || elements > BigInt(Number.MAX_SAFE_INTEGER)) {
      reader.fail(`${label} has a dimension of ${extent}, more than any file can hold`);
    }
    shape.unshift(Number(extent));
  }
  const typeNumber = await reader.uint32();
  const type = ggmlTypes.get(typeNumber);
  if (!type) {
    const what = `${label} has the unknown ggml type ${typeNumber}, ${describeUnknownType(typeNumber)}`;
    return reader.refuse(`${what}; weights are read as ${[...storedTypes.keys()].join(', ')}.`);
  }
  const rowLength = shape.at(-1) ?? 1;
  if (rowLength % type.blockSize !== 0) {
    reader.fail(`${label} has rows of ${rowLength}, no multiple of the ${type.blockSize} of ${type.name}`);
  }
  const byteLength = (elements / BigInt(type.blockSize)) * BigInt(type.blockBytes);
  if (byteLength > BigInt(reader.source.size)) {
    reader.fail(`${label} takes ${byteLength} bytes, but the file has ${reader.source.size}`);
  }
  return { name, type, shape, byteLength: Number(byteLength), offset: await reader.uint64() };
}

/**
 * Turns offsets into places in the file. As llama.cpp demands, tensors follow one another in the order of the header,
 * each from the aligned end of the one before; any other offset comes from a damaged type, shape or offset. More bytes
 * may follow the last tensor.
 */
function placeTensors(
  reader: HeaderReader,
  entries: readonly TensorEntry[],
  dataBegin: number,
  alignment: number,
): Map<string, GgufTensor> {
  const { size } = reader.source;
  const tensors = new Map<string, GgufTensor>();
  let expected = 0;
  let previous = 'the first tensor is due';
  for (const { name, type, shape, byteLength, offset } of entries) {
    const label = `tensor ${quoted(name)}`;
    if (tensors.has(name)) reader.fail(`${label} stands twice`);
    if (offset !== BigInt(expected)) {
      reader.fail(`${label} begins at offset ${offset}, not at ${expected}, where ${previous}`);
    }
    const begin = dataBegin + expected;
    if (begin + byteLength > size) {
      reader.fail(`${label} ends at byte ${begin + byteLength}, beyond the file's ${size}`);
    }
    tensors.set(name, { name, type, shape, begin, byteLength });
    expected += Math.ceil(byteLength / alignment) * alignment;
    previous = `${quoted(name)} (${type.name}, ${byteLength} bytes) ends on a multiple of ${alignment}`;
  }
  return tensors;
}
