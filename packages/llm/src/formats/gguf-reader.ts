/** Reads the primitive values of a GGUF header. No length is believed before it is known that the file can hold it. */
import { type ByteSource, InputError } from '@crossgate/tensor';
import { GgufStrings, joined } from './gguf-strings';

/** Number of bytes fetched at a time. Longer strings and arrays are fetched in one read of their own. */
const windowBytes = 256 * 1024;

/** Longer headers are refused; the largest vocabularies take a few tens of MiB. */
const maxHeaderBytes = 512 * 1024 * 1024;

/** A cursor over a file's little-endian header. Every read is checked against the file's end first. */
export class HeaderReader {
  readonly source: ByteSource;
  /** Offset of the next byte, from the start of the file. */
  position = 0;
  #window: Uint8Array = new Uint8Array(0);
  #windowBegin = 0;
  readonly #text = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** @throws {InputError} always, naming the file and the offset. */
  fail(problem: string): never {
    throw new InputError(`${problem} (at byte ${this.position}); the file is damaged or cut off.`, {
      code: 'model.damaged',
      place: this.source.name,
    });
  }

  /** @throws {InputError} always, naming the file: it is whole as far as one can tell, but is not supported. */
  refuse(problem: string): never {
    throw new InputError(problem, { code: 'model.unsupported', place: this.source.name });
  }

  /** Number of bytes of the file after the cursor. */
  get remaining(): number {
    return this.source.size - this.position;
  }

  /**
   * Checks that `count` items of at least `itemBytes` each can still follow. Call it before anything is allocated for
   * them.
   *
   * @returns count as a number
   * @throws {InputError} when they cannot
   */
  checkCount(count: bigint, itemBytes: number, what: string): number {
    if (count * BigInt(itemBytes) > BigInt(this.remaining)) {
      this.fail(`${what} claims ${count} entries, but only ${this.remaining} bytes follow`);
    }
    return Number(count);
  }

  /** The next `length` bytes, valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    if (length > this.remaining) this.fail(`${length} bytes are needed, but only ${this.remaining} follow`);
    if (this.position + length > maxHeaderBytes) this.fail(`the header is longer than ${maxHeaderBytes} bytes`);
    const begin = this.position - this.#windowBegin;
    if (begin + length > this.#window.byteLength) {
      this.#window = await this.source.read(this.position, Math.min(this.remaining, Math.max(length, windowBytes)));
      this.#windowBegin = this.position;
      return this.#advance(0, length);
    }
    return this.#advance(begin, length);
  }

  #advance(begin: number, length: number): Uint8Array {
    this.position += length;
    return this.#window.subarray(begin, begin + length);
  }

  async #view(length: number): Promise<DataView> {
    const bytes = await this.take(length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  async uint8(): Promise<number> {
    return (await this.#view(1)).getUint8(0);
  }

  async uint32(): Promise<number> {
    return (await this.#view(4)).getUint32(0, true);
  }

  async uint64(): Promise<bigint> {
    return (await this.#view(8)).getBigUint64(0, true);
  }

  /** A string: its length in 8 bytes, then UTF-8. */
  async string(what: string): Promise<string> {
    const length = this.checkCount(await this.uint64(), 1, `the length of ${what}`);
    return this.#text.decode(await this.take(length));
  }

  /**
   * Reads this many strings, which are checked but not decoded yet. Those already in the window are skipped over
   * without a promise each.
   */
  async strings(count: number, what: string): Promise<GgufStrings> {
    const pieces: Uint8Array[] = [];
    for (let found = 0; found < count; ) {
      const window = this.#window;
      const view = new DataView(window.buffer, window.byteOffset, window.byteLength);
      const begin = this.position - this.#windowBegin;
      let at = begin;
      while (found < count && at + 8 <= view.byteLength) {
        const end = at + 8 + view.getUint32(at, true);
        if (view.getUint32(at + 4, true) !== 0 || end > view.byteLength) break;
        at = end;
        found++;
      }
      pieces.push(this.#advance(begin, at - begin).slice());
      if (found === count) break;
      const declared = await this.uint64();
      const length = this.checkCount(declared, 1, `the length of ${what}`);
      pieces.push(new Uint8Array(BigUint64Array.of(declared).buffer), (await this.take(length)).slice());
      found++;
    }
    return new GgufStrings(count, joined(pieces));
  }
}
