/** Arrays of strings in a GGUF header: vocabularies and merges, decoded when they are asked for. */

/**
 * Strings as they are in a file. Decoding a vocabulary takes tens of milliseconds, which loading weights need not wait
 * for. Iterates over the strings; bytes that are not UTF-8 become U+FFFD.
 */
export class GgufStrings implements Iterable<string> {
  #decoded: readonly string[] | undefined;
  #bytes: Uint8Array;

  /** @param bytes each string as in the file: its length in 8 bytes, then UTF-8; already checked. */
  constructor(
    /** Number of strings. */
    readonly length: number,
    bytes: Uint8Array,
  ) {
    this.#bytes = bytes;
  }

  /** All strings, decoded on the first call. */
  get values(): readonly string[] {
    if (this.#decoded) return this.#decoded;
    const text = new TextDecoder('utf-8', { ignoreBOM: true });
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    const strings: string[] = [];
    for (let at = 0; strings.length < this.length; ) {
      const end = at + 8 + view.getUint32(at, true);
      strings.push(text.decode(this.#bytes.subarray(at + 8, end)));
      at = end;
    }
    this.#bytes = new Uint8Array(0);
    this.#decoded = strings;
    return strings;
  }

  [Symbol.iterator](): Iterator<string> {
    return this.values[Symbol.iterator]();
  }
}

/** Joins pieces of bytes. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
