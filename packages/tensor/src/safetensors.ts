/**
 * Reads and writes safetensors files: an 8-byte header length, a JSON header, then the tensors' bytes.
 * The format is Hugging Face's: https://github.com/huggingface/safetensors#format.
 */
import { type ByteSource, checkRange, defaultChunkBytes, readChunks } from './byte-source';
import { floatDtypeBytes, floatsFromBytes, isFloatDtype } from './half';
import { InputError, quoted } from './input-error';

/** Bytes per element of every dtype of the format that this package knows. */
export const safetensorsDtypeBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** Name of a dtype in a safetensors header. */
export type SafetensorsDtype = keyof typeof safetensorsDtypeBytes;

/** A tensor of a safetensors file: its type, its shape and where its bytes lie. */
export interface SafetensorsTensor {
  /** Unique in its file. */
  readonly name: string;
  /** Type of the stored elements. */
  readonly dtype: SafetensorsDtype;
  /** Outermost dimension first; row-major. */
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly begin: number;
  /** Number of bytes: the elements of the shape times the bytes of the dtype. */
  readonly byteLength: number;
}

/** The header of a safetensors file. */
export interface SafetensorsHeader {
  /** The strings of `__metadata__`; empty where there are none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** All tensors by name, in the order of the header. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
}

/** The format's own limit; a longer header is refused before anything is allocated. */
const maxHeaderBytes = 100_000_000;

/**
 * Reads and checks a header: its length, JSON, names, dtypes, shapes, and that the tensors fill the rest of the file
 * without gap or overlap, as the format demands. Reads no tensor data.
 *
 * @throws InputError naming the file and the tensor.
 */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const fail = (problem: string): never => {
    throw new InputError(`${source.name}: ${problem}; it is no safetensors file, or it is damaged or cut off.`);
  };
  if (source.size < 10) fail(`it has only ${source.size} bytes`);
  const prefix = await source.read(0, 8);
  const declared = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(source.size - 8)) {
    fail(`its header claims ${declared} bytes, but the file has ${source.size}`);
  }
  if (declared > BigInt(maxHeaderBytes))
    fail(`its header claims ${declared} bytes, over the limit of ${maxHeaderBytes}`);
  const headerBytes = Number(declared);
  const dataBegin = 8 + headerBytes;

  let text = '';
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await source.read(8, headerBytes));
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof InputError) throw error;
    fail(`its header is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!isRecord(parsed)) return fail('its header is not a JSON object');
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined) fail(`tensor ${quoted(duplicate)} is named twice`);

  const tensors = new Map<string, SafetensorsTensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, fail);
    else tensors.set(name, parseTensor(name, entry, dataBegin, source, fail));
  }
  checkCover([...tensors.values()], dataBegin, source.size, fail);
  return { metadata, tensors };
}

type Fail = (problem: string) => never;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseMetadata(entry: unknown, fail: Fail): Record<string, string> {
  if (!isRecord(entry)) return fail('__metadata__ is not an object');
  const metadata: [string, string][] = [];
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') return fail(`__metadata__ key ${quoted(key)} is not a string`);
    metadata.push([key, value]);
  }
  return Object.fromEntries(metadata);
}

function parseTensor(
  name: string,
  entry: unknown,
  dataBegin: number,
  { name: source, size }: ByteSource,
  fail: Fail,
): SafetensorsTensor {
  const label = `tensor ${quoted(name)}`;
  if (!isRecord(entry)) return fail(`${label} is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') return fail(`${label} has the dtype ${JSON.stringify(dtype) ?? 'none'}`);
  if (!Object.hasOwn(safetensorsDtypeBytes, dtype)) {
    throw new InputError(
      `${label} has the unknown dtype ${quoted(dtype)}, which is newer than this version; known: ${Object.keys(safetensorsDtypeBytes).join(', ')}.`,
      { place: source },
    );
  }
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!Array.isArray(shape) || shape.length > 32 || !shape.every(isCount)) {
    return fail(`${label} has a shape that is not a list of sizes: ${JSON.stringify(shape)?.slice(0, 80) ?? 'none'}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0]! > offsets[1]!) {
    return fail(`${label} has data_offsets ${JSON.stringify(offsets)?.slice(0, 80) ?? 'none'}`);
  }
  const [begin, end] = offsets as [number, number];
  const width = safetensorsDtypeBytes[dtype as SafetensorsDtype];
  const bytes = byteLengthOf(shape, width);
  if (bytes !== end - begin) {
    return fail(
      `${label} of shape [${shape.slice(0, 8)}] in ${dtype} takes ${bytes} bytes, but its data_offsets span ${end - begin}`,
    );
  }
  if (dataBegin + end > size) return fail(`${label} ends at byte ${dataBegin + end}, beyond the file's ${size}`);
  return { name, dtype: dtype as SafetensorsDtype, shape, begin: dataBegin + begin, byteLength: bytes };
}

/** Product of the sizes times the element's width; Infinity where it cannot be counted exactly. */
function byteLengthOf(shape: readonly number[], width: number): number {
  if (shape.includes(0)) return 0;
  let bytes = width;
  for (const extent of shape) {
    bytes *= extent;
    if (!Number.isSafeInteger(bytes)) return Number.POSITIVE_INFINITY;
  }
  return bytes;
}

function checkCover(tensors: SafetensorsTensor[], dataBegin: number, size: number, fail: Fail): void {
  tensors.sort((a, b) => a.begin - b.begin || a.byteLength - b.byteLength);
  let expected = dataBegin;
  for (const tensor of tensors) {
    if (tensor.begin < expected) fail(`tensor ${quoted(tensor.name)} overlaps the one before it`);
    if (tensor.begin > expected) {
      fail(`${tensor.begin - expected} bytes before tensor ${quoted(tensor.name)} belong to none`);
    }
    expected = tensor.begin + tensor.byteLength;
  }
  if (expected !== size) fail(`its tensors end at byte ${expected}, but the file has ${size}`);
}

/** First key that stands twice in the outermost object of valid JSON; JSON.parse would keep only the last. */
function firstDuplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      if (depth !== 1) continue;
      let after = i + 1;
      while (/\s/.test(text[after] ?? '')) after++;
      if (text[after] !== ':') continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

/**
 * Reads one tensor's bytes as stored, in order, in pieces of at most `chunkBytes`.
 *
 * @throws InputError naming the source when the tensor reaches beyond its end.
 */
export function readTensorBytes(
  source: ByteSource,
  tensor: SafetensorsTensor,
  chunkBytes: number = defaultChunkBytes,
): AsyncGenerator<Uint8Array> {
  return readChunks(source, tensor.begin, tensor.byteLength, chunkBytes);
}

/**
 * Reads a whole F32, F16 or BF16 tensor as f32, row-major.
 *
 * @throws InputError naming file and tensor for other dtypes.
 */
export async function readTensorFloats(source: ByteSource, tensor: SafetensorsTensor): Promise<Float32Array> {
  if (!isFloatDtype(tensor.dtype)) {
    throw new InputError(
      `${source.name}: tensor ${quoted(tensor.name)} is ${tensor.dtype}; F32, F16 and BF16 can be read as floats.`,
    );
  }
  checkRange(source, tensor.begin, tensor.byteLength);
  const values = new Float32Array(tensor.byteLength / floatDtypeBytes[tensor.dtype]);
  let offset = 0;
  for await (const bytes of readTensorBytes(source, tensor)) {
    const part = floatsFromBytes(tensor.dtype, bytes);
    values.set(part, offset);
    offset += part.length;
  }
  return values;
}

/** A tensor to be written to a safetensors file. */
export interface SafetensorsInput {
  /** Unique in the file. */
  readonly name: string;
  /** Type of the elements that `bytes` gives. */
  readonly dtype: SafetensorsDtype;
  /** Lengths of the dimensions, outermost first. */
  readonly shape: readonly number[];
  /**
   * The elements, little-endian and row-major: all at once, or in pieces in order. Called when the tensor is written,
   * so that not all tensors need to be in memory at once.
   */
  bytes(): Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Encodes tensors in the order given, with the header padded so that the data begin on a multiple of 8 bytes.
 * Yields the file piece by piece; write it with `writeAtomic` of `@crossgate/files`.
 *
 * @param metadata strings for the file's `__metadata__`.
 * @throws Error for a repeated or reserved name, an invalid shape, or bytes that do not fit the shape.
 */
export async function* encodeSafetensors(
  tensors: readonly SafetensorsInput[],
  metadata?: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array> {
  const entries: [string, unknown][] = [];
  if (metadata) entries.push(['__metadata__', metadata]);
  const names = new Set<string>(['__metadata__']);
  const lengths: number[] = [];
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) throw new Error(`Tensor name ${quoted(name)} is reserved or given twice.`);
    names.add(name);
    const length = byteLengthOf(shape, safetensorsDtypeBytes[dtype]);
    if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0) || !Number.isSafeInteger(length)) {
      throw new Error(`Tensor ${quoted(name)} has the shape [${shape.slice(0, 8)}], which cannot be written.`);
    }
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + length] }]);
    lengths.push(length);
    offset += length;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  yield header;
  for (const [index, tensor] of tensors.entries()) {
    const content = await tensor.bytes();
    let length = 0;
    for await (const piece of content instanceof Uint8Array ? [content] : content) {
      length += piece.byteLength;
      if (length <= lengths[index]!) yield piece;
    }
    if (length !== lengths[index]) {
      throw new Error(
        `Tensor ${quoted(tensor.name)}: [${tensor.shape}] in ${tensor.dtype} takes ${lengths[index]} bytes, got ${length}.`,
      );
    }
  }
}
