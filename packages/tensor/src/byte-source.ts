/** Random access to the bytes of a file, wherever it lies: on disk, in memory, behind a browser's File. */
import { InputError } from './input-error';

/** A file of known length whose bytes can be read in any order. */
export interface ByteSource {
  /** Its name in messages: usually the path. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `offset`.
   *
   * @param into memory of at least `length` bytes that the source may read into. If it does, the result is the
   * beginning of `into`; otherwise the result lies elsewhere.
   * @throws InputError when the range reaches beyond the end.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>;
  /** Releases the file. Reading afterwards is an error. */
  close(): Promise<void>;
}

/**
 * Checks that a range of bytes lies inside a source.
 *
 * @param offset first byte, a whole number from 0.
 * @param length bytes of the range, a whole number from 0.
 * @throws InputError naming the source, the range and the size.
 */
export function checkRange(
  source: {
    /** Its name in the message. */
    name: string;
    /** Its length in bytes. */
    size: number;
  },
  offset: number,
  length: number,
): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!valid || offset + length > source.size) {
    throw new InputError(
      `${source.name}: bytes ${offset} to ${offset + length} were asked for, but it ends at ${source.size}; the file is damaged or cut off.`,
    );
  }
}

/** A source of bytes that are in memory. Reads return views, not copies. @param name for messages. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    async read(offset, length) {
      checkRange({ name, size: bytes.byteLength }, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    async close() {},
  };
}

/** A source that reads a browser's `Blob` or `File` without loading all of it. @param name for messages. */
export function blobSource(name: string, blob: Blob): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange({ name, size: blob.size }, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
    async close() {},
  };
}

/** Bytes per read when a file is streamed, 4 MiB: large enough to be fast, small enough not to matter in memory. */
export const defaultChunkBytes = 4 * 1024 * 1024;

/**
 * Reads `length` bytes from `begin` in pieces of at most `chunkBytes`, in order.
 *
 * @throws InputError naming the source when the range reaches beyond its end.
 */
export async function* readChunks(
  source: ByteSource,
  begin: number,
  length: number,
  chunkBytes = defaultChunkBytes,
): AsyncGenerator<Uint8Array> {
  checkRange(source, begin, length);
  for (let done = 0; done < length; ) {
    const count = Math.min(chunkBytes, length - done);
    yield await source.read(begin + done, count);
    done += count;
  }
}

/** Reads a whole source as UTF-8 text. @throws InputError when it is longer than `maxBytes` or not UTF-8. */
export async function readText(source: ByteSource, maxBytes: number): Promise<string> {
  if (source.size > maxBytes) {
    throw new InputError(`${source.name} has ${source.size} bytes; at most ${maxBytes} are expected of such a file.`);
  }
  const bytes = await source.read(0, source.size);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${source.name} is not UTF-8 text.`);
  }
}
