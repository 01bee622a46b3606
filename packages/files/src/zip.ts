/** Reads the members of a ZIP archive that is in memory (stored or deflated, no ZIP64, no encryption). Node only. */

import { crc32, inflateRawSync } from 'node:zlib';
import { CrossgateError } from '@crossgate/core';

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;

/**
 * The named members of an archive (APPNOTE.TXT 4.3: end record, central directory, local headers).
 *
 * @param name of the archive, in messages
 * @throws Error for what is no such archive, a member that is missing, or one whose size or CRC-32 is wrong
 */
export function readZip(archive: Uint8Array, name: string, members: readonly string[]): Map<string, Uint8Array> {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const fail = (what: string): never => {
    throw new CrossgateError(what, {
      code: 'file.damaged',
      place: name,
      fix: 'the archive is damaged, fetch it again',
    });
  };
  // The end record is 22 bytes and a comment of up to 65,535.
  let end = archive.length - 22;
  const lowest = Math.max(0, end - 0xffff);
  while (end >= lowest && view.getUint32(end, true) !== endSignature) end--;
  if (end < lowest) fail('is not a ZIP archive');
  const entries = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const found = new Map<string, Uint8Array>();
  try {
    for (let entry = 0; entry < entries; entry++) {
      if (view.getUint32(at, true) !== entrySignature) fail('its directory is not whole');
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
      const member = new TextDecoder().decode(archive.subarray(at + 46, at + 46 + (nameLength as number)));
      if (members.includes(member)) found.set(member, extract(archive, view, at, `${name}: ${member}`));
      at += 46 + (nameLength as number) + (extraLength as number) + (commentLength as number);
    }
  } catch (error) {
    if (error instanceof RangeError) fail('is cut short');
    throw error;
  }
  const missing = members.find((member) => !found.has(member));
  if (missing !== undefined) fail(`has no ${missing}`);
  return found;
}

/** Inflates the member whose directory entry is at `at`. */
function extract(archive: Uint8Array, view: DataView, at: number, place: string): Uint8Array {
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  const [checksum, packed, size, local] = [16, 20, 24, 42].map((offset) => view.getUint32(at + offset, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (flags & 1) throw new CrossgateError('is encrypted', { code: 'file.damaged', place });
  if (view.getUint32(local, true) !== localSignature)
    throw new CrossgateError('its header is damaged', { code: 'file.damaged', place });
  const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const bytes = archive.subarray(start, start + packed);
  let content: Uint8Array;
  if (method === 0) content = bytes;
  else if (method === 8) {
    try {
      content = inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) });
    } catch (error) {
      throw new CrossgateError(`cannot be unpacked (${(error as Error).message})`, { code: 'file.damaged', place });
    }
  } else throw new CrossgateError(`compression method ${method} is not known here`, { code: 'file.damaged', place });
  if (content.length !== size || crc32(content) !== checksum)
    throw new CrossgateError('wrong size or CRC-32', { code: 'file.damaged', place });
  return content;
}
