/** Decodes the bytes of text files, and says what they are where they are not what they are taken for. */

import { InputError } from '@crossgate/core';

/** What the first bytes of a file say that it is. */
export type Sniffed =
  | { readonly kind: 'text'; readonly encoding?: 'utf-8' | 'utf-16le' | 'utf-16be' }
  | { readonly kind: 'other'; readonly name: string; readonly fix: string };

/** Makes the error that a reader throws. */
export type Refuse = (problem: string, fix?: string) => Error;

/** The encoding that the first bytes of a text show, if any. @throws what `refuse` makes for what is no text */
export function requireText(head: Uint8Array, refuse: Refuse): { encoding?: 'utf-8' | 'utf-16le' | 'utf-16be' } {
  const sniffed = sniffBytes(head);
  if (sniffed.kind === 'other') throw refuse(`is ${sniffed.name}, not text`, sniffed.fix);
  return sniffed;
}

/** Bytes that {@link sniffBytes} looks at, where the file has as many. */
export const sniffedLength = 256;

const asCsv = 'save or export it as CSV in UTF-8';
const signatures: readonly (readonly [readonly number[], string, string])[] = [
  [[0x50, 0x4b, 3, 4], 'a ZIP archive or an Excel workbook', asCsv],
  [[0xd0, 0xcf, 0x11, 0xe0], 'an old Excel workbook', asCsv],
  [[0x1f, 0x8b], 'compressed by gzip', 'name it with .gz at the end'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'compressed by zstd', 'decompress it'],
  [[0x42, 0x5a, 0x68], 'compressed by bzip2', 'decompress it'],
  [[0xfd, 0x37, 0x7a, 0x58], 'compressed by xz', 'decompress it'],
  [[0x50, 0x41, 0x52, 0x31], 'a Parquet file', asCsv],
  [[0x53, 0x51, 0x4c, 0x69, 0x74, 0x65], 'an SQLite database', asCsv],
  [[0xff, 0xfe, 0, 0], 'UTF-32 text', 'save it as UTF-8'],
  [[0, 0, 0xfe, 0xff], 'UTF-32 text', 'save it as UTF-8'],
];

/**
 * Looks at the first bytes of a file: a byte order mark, zeros in every other byte (UTF-16 without a mark), and the first
 * bytes of well-known files that are no text.
 *
 * @returns text without an encoding where they say nothing
 */
export function sniffBytes(bytes: Uint8Array): Sniffed {
  const starts = (wanted: readonly number[]) => wanted.every((byte, index) => bytes[index] === byte);
  const found = signatures.find(([wanted]) => starts(wanted));
  // "BZh" may begin a name; in the archive a digit and the six bytes of pi follow.
  if (found !== undefined && (found[0].length !== 3 || bytes[4] === 0x31))
    return { kind: 'other', name: found[1], fix: found[2] };
  if (starts([0xef, 0xbb, 0xbf])) return { kind: 'text', encoding: 'utf-8' };
  if (starts([0xff, 0xfe])) return { kind: 'text', encoding: 'utf-16le' };
  if (starts([0xfe, 0xff])) return { kind: 'text', encoding: 'utf-16be' };
  const pairs = Math.min(bytes.length, sniffedLength) >> 1;
  const zeros = [0, 0];
  for (let index = 0; index < 2 * pairs; index++) if (bytes[index] === 0) zeros[index & 1]!++;
  if (pairs >= 4 && zeros[1]! > 0.6 * pairs && zeros[0] === 0) return { kind: 'text', encoding: 'utf-16le' };
  if (pairs >= 4 && zeros[0]! > 0.6 * pairs && zeros[1] === 0) return { kind: 'text', encoding: 'utf-16be' };
  return { kind: 'text' };
}

/** The name that the platform has for an encoding. @throws InputError naming the place of one that it does not know */
export function requireEncoding(label: string, place: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch {
    throw new InputError(`unknown encoding ${JSON.stringify(label)}`, {
      code: 'data.option',
      place,
      fix: 'name one such as utf-8, utf-16le, windows-1252, windows-1251, shift_jis, gb18030',
    });
  }
}

/** Characters of the bytes 0x80 … 0x9F in windows-1252; the five that it leaves open are control characters. */
const windows1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** The byte of a character in windows-1252; undefined for one that it does not have. */
export function windows1252Byte(character: string): number | undefined {
  const at = windows1252.indexOf(character);
  if (at >= 0) return 0x80 + at;
  const code = character.codePointAt(0) as number;
  return code <= 0xff ? code : undefined;
}

/** ISO 8859-1: each byte is the code point of that number. */
export function decodeLatin1(bytes: Uint8Array): string {
  return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(Uint16Array.from(bytes));
}

/** By hand, because some releases of Node decode windows-1252, and what the standard takes for it, as ISO 8859-1. */
function decodeWindows1252(bytes: Uint8Array): string {
  return decodeLatin1(bytes).replaceAll(
    /[\x80-\x9f]/g,
    (character) => windows1252[character.charCodeAt(0) - 0x80] as string,
  );
}

/** How {@link decodeText} reads a file, and what its errors advise. */
export interface TextSource {
  /** Makes the error that names the file. */
  readonly refuse: Refuse;
  /** A label of the Encoding Standard, such as `windows-1252`. Default: UTF-8. */
  readonly encoding?: string | undefined;
  /** What sets the encoding, such as `data.csv.encoding`; absent where nothing does. */
  readonly encodingKey?: string | undefined;
}

/** Encodings in which any byte is a character, so that UTF-8 read as one of them gives wrong letters without an error. */
const oneByte = /^(windows-|iso-8859-|koi8|macintosh|x-mac|ibm866)/;

/**
 * Decodes a file of text. A byte order mark is dropped.
 *
 * @param chunks the bytes of the file, in any pieces.
 * @throws what `refuse` makes for what is no text, for bytes that the encoding does not have, for UTF-16 that is
 *   not asked for, and for UTF-8 that is to be read in an encoding of one byte a character.
 */
export async function* decodeText(chunks: AsyncIterable<Uint8Array>, source: TextSource): AsyncGenerator<string> {
  const { refuse, encodingKey } = source;
  const encoding = requireEncoding(source.encoding ?? 'utf-8', encodingKey ?? '--encoding');
  const setTo = (label: string) =>
    encodingKey === undefined
      ? 'save it as UTF-8'
      : `${encodingKey.startsWith('--') ? `say ${encodingKey} ${label}` : `set ${encodingKey}: ${label}`}, or save it as UTF-8`;
  const check = (head: Uint8Array) => {
    const { encoding: found = encoding } = requireText(head, refuse);
    if (found === encoding) return;
    const not = source.encoding === undefined ? '' : `, not ${encoding}`;
    throw refuse(`is ${found.toUpperCase()} text${not}`, setTo(found));
  };
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decodePiece = (bytes: Uint8Array | undefined): string => {
    if (encoding === 'windows-1252') return bytes === undefined ? '' : decodeWindows1252(bytes);
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
  };
  const unlikely = oneByte.test(encoding) ? new Utf8Check() : undefined;
  const lines = new LineFinder();
  const decode = (bytes: Uint8Array | undefined): string => {
    let text: string;
    try {
      text = decodePiece(bytes);
    } catch {
      throw refuse(
        `is not ${encoding.toUpperCase()} text${lines.describe(bytes, encoding)}`,
        encoding === 'utf-8' ? setTo(`${lines.likely(bytes)} (or what it was written in)`) : setTo('another encoding'),
      );
    }
    if (bytes !== undefined) {
      lines.pass(bytes);
      unlikely?.add(bytes);
    }
    if (text.includes('\0')) throw refuse('is a binary file, not text');
    return text;
  };
  let head: Uint8Array | undefined = new Uint8Array(0);
  for await (const bytes of chunks) {
    if (head === undefined) {
      yield decode(bytes);
      continue;
    }
    head = head.length === 0 ? bytes : joinBytes([head, bytes]);
    if (head.length < sniffedLength) continue;
    check(head);
    yield decode(head);
    head = undefined;
  }
  if (head !== undefined) {
    check(head);
    yield decode(head);
  }
  yield decode(undefined);
  if (unlikely?.isUtf8()) {
    throw refuse(
      `is UTF-8 text, not ${encoding}`,
      encodingKey === undefined ? undefined : `leave out ${encodingKey}; all files of a data set have one encoding`,
    );
  }
}

/** Bytes that came in pieces, in one. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Whether bytes that come in pieces are UTF-8, and not only ASCII. */
export class Utf8Check {
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private isValid = true;
  private isAscii = true;

  /** Takes in the next bytes. */
  add(bytes: Uint8Array): void {
    if (!this.isValid) return;
    if (this.isAscii) this.isAscii = bytes.every((byte) => byte < 0x80);
    try {
      this.decoder.decode(bytes, { stream: true });
    } catch {
      this.isValid = false;
    }
  }

  /** Whether all of it was UTF-8 with a character beyond ASCII. */
  isUtf8(): boolean {
    try {
      if (this.isValid) this.decoder.decode();
    } catch {
      this.isValid = false;
    }
    return this.isValid && !this.isAscii;
  }
}

/** Signs of a script, and the encodings in which text of that script gives nothing but them. */
const scripts: readonly (readonly [string, RegExp])[] = [
  [
    'shift_jis',
    /^[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f]*[\u3041-\u30ff][\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f]*$/,
  ],
  ['euc-jp', /^[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f]*[\u3041-\u30ff][\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f]*$/],
  ['windows-1251', /^[\u0401\u0410-\u044f\u0451«»№—–]+$/],
  ['euc-kr', /^[\uac00-\ud7a3]+$/],
  ['gb18030', /^[\u3000-\u301f\u4e00-\u9fff\uff01-\uff5e]+$/],
  ['big5', /^[\u3000-\u301f\u4e00-\u9fff\uff01-\uff5e]+$/],
];

/**
 * The encoding that bytes, which are no UTF-8, are most likely in. In the languages of western Europe, letters with marks
 * stand alone or in pairs; where more stand together, the text is in another script.
 */
export function likelyEncoding(bytes: Uint8Array): string {
  const head = bytes.subarray(0, 1 << 14);
  const runs = decodeLatin1(head).match(/[\x80-\xff]+/g) ?? [];
  if (runs.some((run) => run.length > 2)) {
    for (const [encoding, only] of scripts) {
      // The bytes may end within a letter.
      const letters = new TextDecoder(encoding).decode(head).replaceAll(/[\0-\x7f]+|\ufffd$/g, '');
      if (only.test(letters)) return encoding;
    }
    return 'windows-1252';
  }
  // Where windows-1252 has signs, the Macintosh has letters.
  const isMac = (run: string) => [...run].every((byte) => byte >= '\x80' && byte <= '\x9f' && macLetters.test(byte));
  return runs.length > 0 && runs.every(isMac) && /[a-z][\x80-\x9f]|[\x80-\x9f][a-z]/.test(decodeLatin1(head))
    ? 'macintosh'
    : 'windows-1252';
}

/** Bytes of letters on the Macintosh that are letters of hardly any title in windows-1252. */
const macLetters = /[\x81-\x8b\x8d-\x90\x93-\x95\x97-\x99\x9b\x9d-\x9f\x87\x8e]/;

/** Finds the line of bytes that cannot be decoded. */
class LineFinder {
  private line = 1;
  /** Bytes of the line that is not over yet. */
  private rest: Uint8Array = new Uint8Array(0);

  pass(bytes: Uint8Array): void {
    let last = -1;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
      this.line++;
      last = at;
    }
    const begun = bytes.subarray(last + 1).slice(-400);
    this.rest = last >= 0 ? begun : joinBytes([this.rest, begun]).slice(-400);
  }

  /** The encoding that the text up to here, which is not UTF-8, is most likely in. */
  likely(bytes: Uint8Array | undefined): string {
    return likelyEncoding(joinBytes([this.rest, bytes ?? new Uint8Array(0)]));
  }

  /** The first line that is not UTF-8, as its most likely encoding shows it. */
  describe(bytes: Uint8Array | undefined, encoding: string): string {
    if (encoding !== 'utf-8') return '';
    const all = joinBytes([this.rest, bytes ?? new Uint8Array(0)]);
    const likely = likelyEncoding(all);
    const decode = (part: Uint8Array) =>
      likely === 'windows-1252' ? decodeWindows1252(part) : new TextDecoder(likely).decode(part);
    let line = this.line;
    for (let start = 0; start < all.length; line++) {
      const found = all.indexOf(10, start);
      const end = found < 0 ? all.length : found;
      const one = all.subarray(start, end);
      start = end + 1;
      try {
        new TextDecoder('utf-8', { fatal: true }).decode(one);
      } catch {
        const at = one.findIndex((byte) => byte >= 0x80);
        // A piece of a text of several bytes a letter has to begin with one.
        const part = likely === 'windows-1252' ? one.subarray(Math.max(0, at - 20), at + 20) : one.subarray(0, at + 40);
        const shown = JSON.stringify(decode(part).trim().slice(0, 60));
        return ` (line ${line}: ${likely} would read ${shown})`;
      }
    }
    return '';
  }
}
