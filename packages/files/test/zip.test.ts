/** ZIP archives: members, and that damage never passes for content. */
import { zipOf } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { readZip } from '../src';

const text = 'user,item\n'.repeat(40);
const members = { 'set/README': 'terms', 'set/a.csv': text, 'set/empty': '' };
const contentOf = (archive: Uint8Array, member: string) =>
  Buffer.from(readZip(archive, 'x.zip', [member]).get(member)!).toString();
/** Where the directory of an archive has the entry of its first member. */
const directoryOf = (archive: Buffer) => archive.indexOf('PK\x01\x02', 0, 'latin1');

function changed(archive: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(archive);
  change(copy);
  return copy;
}

describe('readZip', () => {
  it.each([false, true])('gives the members that are asked for (stored: %s)', (stored) => {
    const archive = zipOf(members, stored);
    const found = readZip(archive, 'x.zip', ['set/a.csv', 'set/empty']);
    expect([...found.keys()]).toEqual(['set/a.csv', 'set/empty']);
    expect([...found.values()].map((bytes) => Buffer.from(bytes).toString())).toEqual([text, '']);
    // A view into other memory, and a comment at the end.
    const inside = Buffer.concat([Buffer.alloc(7), archive, Buffer.from('about')]);
    inside.writeUInt16LE(5, 7 + archive.length - 2);
    expect(contentOf(inside.subarray(7), 'set/README')).toBe('terms');
  });

  it.each([false, true])('never takes damage for content (stored: %s)', (stored) => {
    const archive = zipOf(members, stored);
    let refused = 0;
    for (let at = 0; at < archive.length; at++) {
      for (const bits of [1, 0x80, 0xff]) {
        const damaged = changed(archive, (copy) => {
          copy[at] = copy[at]! ^ bits;
        });
        try {
          expect(contentOf(damaged, 'set/a.csv')).toBe(text);
        } catch (error) {
          expect((error as Error).message).toMatch(/^x\.zip: /);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(stored ? 1200 : 100);
    for (let length = 0; length < archive.length; length++) {
      expect(() => contentOf(archive.subarray(0, length), 'set/a.csv')).toThrow(/^x\.zip: is not a ZIP archive/);
    }
  });

  it('says what is wrong', () => {
    const archive = zipOf({ 'a.csv': text });
    const entry = directoryOf(archive);
    const cases: [string, Buffer, RegExp][] = [
      ['a page in its place', Buffer.from('<html>not found</html>'), /^x\.zip: is not a ZIP archive .*fetch it again$/],
      ['its beginning lost', archive.subarray(40), /^x\.zip: .*the archive is damaged, fetch it again$/],
      ['another member', zipOf({ 'b.csv': text }), /^x\.zip: has no a\.csv; the archive is damaged/],
      ['encrypted', changed(archive, (copy) => copy.writeUInt16LE(1, entry + 8)), /^x\.zip: a\.csv: is encrypted$/],
      [
        'another method',
        changed(archive, (copy) => copy.writeUInt16LE(14, entry + 10)),
        /a\.csv: cannot be unpacked .*method/,
      ],
      // More than it says is not unpacked: what swells must say so beforehand.
      [
        'more than it says',
        changed(archive, (copy) => copy.writeUInt32LE(100, entry + 24)),
        /a\.csv: cannot be unpacked/,
      ],
      [
        'less than it says',
        changed(archive, (copy) => copy.writeUInt32LE(3e9, entry + 24)),
        /a\.csv: has another size/,
      ],
    ];
    for (const [name, bytes, message] of cases) expect(() => contentOf(bytes, 'a.csv'), name).toThrow(message);
  });
});
