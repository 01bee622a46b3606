/** One view of a model's weights, whatever file they are in: Hugging Face names, f32 values, bounded memory. */
import { type ByteSource, defaultChunkBytes, InputError, quoted } from '@crossgate/tensor';
import { expectedTensors, type LlamaConfig } from '../config';
import type { StoredType } from './dequantize';
import { nearestName } from './names';

/** What is known about a weight before it is read. */
export interface WeightInfo {
  /** Outermost dimension first, row-major. Linear layers are [out, in]. */
  readonly shape: readonly number[];
  /** The stored type, a name of `storedTypes` such as `F16` or `Q4_K`. */
  readonly dtype: string;
}

/** Consecutive values of a weight. */
export interface WeightChunk {
  /** Index of the first value, in row-major order. */
  readonly offset: number;
  /** The values: whole rows. */
  readonly data: Float32Array;
}

/** Consecutive rows of a weight as they are stored. */
export interface StoredChunk {
  /** Index of the first value, in row-major order. */
  readonly offset: number;
  /** The bytes: whole rows of whole blocks. */
  readonly bytes: Uint8Array;
}

/** How a weight is read. */
export interface ReadOptions {
  /** Largest size of the f32 values of one chunk, in bytes. At least one row is always read. Default 4 MiB. */
  readonly chunkBytes?: number;
  /**
   * Memory that bytes are read into; for one reader at a time. A chunk is then valid until the next one is asked for.
   */
  readonly buffers?: ReadBuffers;
}

/** Reusable memory of a reader: for the bytes it works on, those read ahead, and rows in another order. */
export class ReadBuffers {
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];

  /** Buffer 0, 1 or 2, with at least this many bytes, in whole words. It grows when needed. */
  take(index: 0 | 1 | 2, length: number): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffers[index];
    if (buffer && buffer.length >= length) return buffer;
    const grown = new Uint8Array(4 * Math.ceil(length / 4));
    this.#buffers[index] = grown;
    return grown;
  }
}

/** The weights of one model. Names, shapes and types have been checked against the configuration. */
export interface WeightSource {
  /** The shape of the model. */
  readonly config: LlamaConfig;
  /** All weights by Hugging Face name: exactly those of {@link expectedTensors}. */
  readonly tensors: ReadonlyMap<string, WeightInfo>;
  /**
   * What a user should know of files that are read all the same, whole sentences; empty where there is nothing to say.
   */
  readonly warnings: readonly string[];
  /**
   * Streams one weight in order, whole rows at a time, widened to f32. Rows of q and k are in Hugging Face's
   * half-rotation order.
   *
   * @throws {InputError} for an unknown name, and when the file turns out to be cut off.
   */
  read(name: string, options?: ReadOptions): AsyncIterable<WeightChunk>;
  /**
   * Streams one weight like {@link read}, but as bytes, in the way they are stored. Absent if the weights are not
   * stored as bytes.
   */
  readStored?(name: string, options?: ReadOptions): AsyncIterable<StoredChunk>;
  /** Reads one weight as a whole, row-major. @throws {InputError} as {@link read} does. */
  readAll(name: string): Promise<Float32Array>;
  /** Closes the files. */
  close(): Promise<void>;
}

/** The place of a weight in a file, and the order of its rows there. */
export interface StoredWeight {
  readonly shape: readonly number[];
  readonly type: StoredType;
  readonly file: ByteSource;
  readonly begin: number;
  /** Set if rows alternate between the halves of each head of this width (GGUF's order of q and k). */
  readonly interleavedHeadDim?: number;
}

/**
 * Checks the weights of a file against the configuration: none missing, none unknown, every shape as expected.
 *
 * @throws {InputError} naming the tensor and both shapes.
 */
export function checkWeights(
  config: LlamaConfig,
  found: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  source: string,
  ignored: (name: string) => boolean = () => false,
): void {
  const expected = expectedTensors(config);
  const others = [...found.keys()].filter((name) => !expected.has(name) && !ignored(name));
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const [first] = missing;
  if (first !== undefined) {
    const hint = first === 'lm_head.weight' ? ' (a tied head needs tie_word_embeddings: true)' : '';
    const count = missing.length > 1 ? `, and ${missing.length - 1} more of ${expected.size} are` : '';
    const nearest = nearestName(first, others);
    const beside = nearest === undefined ? '' : `; the file has ${quoted(nearest)}, which is no name of such a model`;
    throw new InputError(`tensor ${first} is missing${count}${hint}${beside}.`, {
      code: 'model.missing-file',
      place: source,
    });
  }
  for (const [name, shape] of expected) {
    const entry = found.get(name)!;
    if (entry.shape.length !== shape.length || entry.shape.some((extent, i) => extent !== shape[i])) {
      throw new InputError(
        `tensor ${name} has shape [${entry.shape.slice(0, 8)}], but the configuration makes it [${shape.slice(0, 8)}].`,
        { code: 'model.damaged', place: source },
      );
    }
  }
  const [other] = others;
  if (other !== undefined) {
    throw new InputError(
      `tensor ${quoted(other)} is not part of a ${config.architecture} model of this configuration.`,
      { code: 'model.damaged', place: source },
    );
  }
}

/** Builds a source from stored weights that {@link checkWeights} has passed. */
export function weightSource(
  config: LlamaConfig,
  weights: ReadonlyMap<string, StoredWeight>,
  files: readonly ByteSource[],
  warnings: readonly string[] = [],
): WeightSource {
  const find = (name: string): StoredWeight => {
    const weight = weights.get(name);
    if (!weight)
      throw new InputError(`there is no tensor ${quoted(name)}.`, {
        code: 'model.missing-file',
        place: files[0]?.name ?? 'model',
      });
    return weight;
  };
  return {
    config,
    warnings,
    tensors: new Map([...weights].map(([name, { shape, type }]) => [name, { shape, dtype: type.name }])),
    read: (name, options) => readRows(find(name), options),
    readStored: (name, options) => readStoredRows(find(name), options),
    async readAll(name) {
      const weight = find(name);
      const values = new Float32Array(weight.shape.reduce((product, extent) => product * extent, 1));
      for await (const { offset, data } of readRows(weight)) values.set(data, offset);
      return values;
    },
    async close() {
      await Promise.all(files.map((file) => file.close()));
    },
  };
}

/** Rows and columns of a weight, and bytes of a stored row. A vector of blocks cannot be cut, so it is one row. */
function layoutOf({ shape, type }: StoredWeight) {
  const vector = shape.length === 1;
  const [rows, columns] =
    vector && type.blockSize === 1 ? [shape[0]!, 1] : vector ? [1, shape[0]!] : [shape[0]!, shape[1]!];
  // GGUF's rows are whole blocks; in a folder that Crossgate wrote, the last block of a row may be padded.
  const blocks = Math.ceil(columns / type.blockSize);
  return { rows, columns, storedColumns: blocks * type.blockSize, rowBytes: blocks * type.blockBytes };
}

async function* readStoredRows(
  weight: StoredWeight,
  { chunkBytes = defaultChunkBytes, buffers }: ReadOptions = {},
): AsyncGenerator<StoredChunk> {
  const { rows, columns, rowBytes } = layoutOf(weight);
  const headDim = weight.interleavedHeadDim;
  const rowsPerChunk = Math.max(1, Math.floor(chunkBytes / (4 * columns)));
  // If rows must be reordered, whole heads are read, and passed on in chunks of the size asked for.
  const rowsPerRead = headDim ? Math.max(1, Math.floor(rowsPerChunk / headDim)) * headDim : rowsPerChunk;
  const fetch = (row: number) => {
    const length = Math.min(rowsPerRead, rows - row) * rowBytes;
    const into = buffers?.take((row / rowsPerRead) % 2 === 0 ? 0 : 1, length);
    const bytes = weight.file.read(weight.begin + row * rowBytes, length, into);
    // A caller that stops early waits neither for what was fetched ahead nor for its failure.
    bytes.catch(() => {});
    return bytes;
  };
  let next = fetch(0);
  for (let row = 0; row < rows; row += rowsPerRead) {
    const count = Math.min(rowsPerRead, rows - row);
    const stored = await next;
    // The next rows are read from the file while the caller works on these.
    if (row + rowsPerRead < rows) next = fetch(row + rowsPerRead);
    const bytes = headDim ? toHalfRotation(stored, headDim, rowBytes, buffers?.take(2, stored.length)) : stored;
    for (let first = 0; first < count; first += rowsPerChunk) {
      const end = Math.min(count, first + rowsPerChunk);
      yield { offset: (row + first) * columns, bytes: bytes.subarray(first * rowBytes, end * rowBytes) };
    }
  }
}

/** A weight in order, whole rows at a time, widened to f32. */
export async function* readRows(weight: StoredWeight, options: ReadOptions = {}): AsyncGenerator<WeightChunk> {
  const { columns, storedColumns } = layoutOf(weight);
  for await (const { offset, bytes } of readStoredRows(weight, options)) {
    const values = weight.type.decode(bytes);
    yield { offset, data: storedColumns === columns ? values : withoutFilling(values, storedColumns, columns) };
  }
}

/** Rows without the padding of their last block. */
function withoutFilling(values: Float32Array, storedColumns: number, columns: number): Float32Array {
  const rows = values.length / storedColumns;
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    out.set(values.subarray(row * storedColumns, row * storedColumns + columns), row * columns);
  }
  return out;
}

/**
 * Undoes the order of rows that GGUF gives q and k. There, rows 2j and 2j+1 of a head are the pair that is rotated
 * together; in half-rotation order these are rows j and j + headDim/2.
 */
function toHalfRotation(
  values: Uint8Array,
  headDim: number,
  rowBytes: number,
  into = new Uint8Array(values.length),
): Uint8Array {
  const out = into.subarray(0, values.length);
  const rows = values.length / rowBytes;
  const half = headDim / 2;
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const target = row - within + (within % 2) * half + (within >> 1);
    out.set(values.subarray(row * rowBytes, (row + 1) * rowBytes), target * rowBytes);
  }
  return out;
}
