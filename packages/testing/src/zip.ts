/** ZIP archives for tests of what reads them. */
import { crc32, deflateRawSync } from 'node:zlib';

/**
 * A ZIP archive of texts by name, as zip writes it (APPNOTE.TXT 4.3: local headers, directory, end record).
 * @param stored true: as they are, false: deflated
 */
export function zipOf(members: Readonly<Record<string, string>>, stored = false): Buffer<ArrayBuffer> {
  const parts: Buffer<ArrayBuffer>[] = [];
  const directory: Buffer<ArrayBuffer>[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(members)) {
    const [raw, nameBytes] = [Buffer.from(text), Buffer.from(name)];
    const packed = stored ? raw : Buffer.from(deflateRawSync(raw));
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(stored ? 0 : 8, 4);
    fields.writeUInt32LE(crc32(raw), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(raw.length, 18);
    fields.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, nameBytes, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, tail, nameBytes]));
    parts.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listing, end]);
}
