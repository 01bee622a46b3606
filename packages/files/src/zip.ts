/** Reads the members of a ZIP archive that is in memory, by adm-zip. Node only. */
import { CrossgateError } from '@crossgate/core';
import AdmZip from 'adm-zip';

/**
 * The named members of an archive. No member takes more memory than the archive says it will.
 *
 * @param name of the archive, in messages
 * @throws Error for what is no such archive, a member that is missing, encrypted, compressed by anything but deflate, or
 *   whose size or CRC-32 is wrong
 */
export function readZip(archive: Uint8Array, name: string, members: readonly string[]): Map<string, Uint8Array> {
  const damaged = (what: string): Error =>
    new CrossgateError(what, { code: 'file.damaged', place: name, fix: 'the archive is damaged, fetch it again' });
  let entries: Map<string, AdmZip.IZipEntry>;
  try {
    const zip = new AdmZip(Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength));
    entries = new Map(zip.getEntries().map((entry) => [entry.entryName, entry]));
  } catch (error) {
    throw damaged(`is not a ZIP archive (${reason(error)})`);
  }
  const found = new Map<string, Uint8Array>();
  for (const member of members) {
    const entry = entries.get(member);
    if (entry === undefined) throw damaged(`has no ${member}`);
    found.set(member, extract(entry, `${name}: ${member}`));
  }
  return found;
}

function extract(entry: AdmZip.IZipEntry, place: string): Uint8Array {
  if (entry.header.encrypted) throw new CrossgateError('is encrypted', { code: 'file.damaged', place });
  let content: Uint8Array;
  try {
    content = entry.getData();
  } catch (error) {
    throw new CrossgateError(`cannot be unpacked (${reason(error)})`, { code: 'file.damaged', place });
  }
  if (content.length !== entry.header.size) {
    throw new CrossgateError('has another size than the archive says', { code: 'file.damaged', place });
  }
  return content;
}

/** What adm-zip says, without its name and the places of words that it leaves open. */
function reason(error: unknown): string {
  return (error as Error).message.replace(/^ADM-ZIP: /, '').replace(/ ?\{\d\}/g, '');
}
