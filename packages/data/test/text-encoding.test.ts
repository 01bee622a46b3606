/** Files in another encoding than the one they are read in: named, read rightly, or warned of; never garbled in silence. */
import { describe, expect, it } from 'vitest';
import { repairedText } from '../src/garbled';
import { buildCsv, buildMl1m, type CsvOptions, memorySource } from '../src/index';
import { likelyEncoding } from '../src/text-encoding';

const events = 'user,item,rating,timestamp\na,p,5,1000\na,q,1,2000\nb,p,4,3000\nb,q,2,4000\n';
const titles = 'item,title\np,Amélie\nq,El año\n';
const utf8 = (text: string) => new TextEncoder().encode(text);
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const utf16 = (text: string, isBig = false) => {
  const view = new DataView(new ArrayBuffer(2 * text.length));
  for (let at = 0; at < text.length; at++) view.setUint16(2 * at, text.charCodeAt(at), !isBig);
  return new Uint8Array(view.buffer);
};

/** Bytes of UTF-8 as a reader of windows-1252 shows them, where all of them lie beyond 0x9F or below 0x80. */
const asWindows = (bytes: Uint8Array) => String.fromCharCode(...bytes);

function build(items: Uint8Array, csv: CsvOptions = {}, interactions: Uint8Array = utf8(events), size = 0) {
  const source = memorySource({ 'interactions.csv': interactions, 'items.csv': items });
  const options = { split: { by: 'leave-one-out' }, csv } as const;
  if (size === 0) return buildCsv(source, options);
  const inPieces = async (file: string) =>
    (async function* () {
      for await (const bytes of await source.open(file))
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })();
  return buildCsv({ ...source, open: inPieces }, options);
}

const titlesOf = async (...args: Parameters<typeof build>) => (await build(...args)).items.map(({ title }) => title);

describe('the encoding that a message names', () => {
  const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  it.each([
    ['windows-1252', '4a6f73e9'], // José
    ['windows-1252', 'c56c756e6420ab78bb'],
    ['macintosh', '416d8e6c6965204d9f6c6c6572'], // Amélie Müller
    ['windows-1251', 'c2eee9ede020e820ece8f0'], // Война и мир
    ['shift_jis', '90e782c690e790712c838681'], // 千と千尋, then a name that is cut
    ['euc-jp', 'c0e9a4c8c0e9bfd2'],
    ['euc-kr', 'b1e2bbfdc3e6'], // 기생충
    ['gb18030', 'd5bdd5f9d3ebbacdc6bd'], // 战争与和平
  ])('is %s (%#)', (encoding, hex) => expect(likelyEncoding(bytesOf(hex))).toBe(encoding));

  it('reads the line in the message', async () => {
    const cyrillic = bytesOf('c2eee9ede0');
    const bytes = new Uint8Array([...utf8('item,title\np,'), ...cyrillic, ...utf8('\n')]);
    await expect(build(bytes)).rejects.toThrow(
      /line 2: windows-1251 would read "p,Война"\); set data\.csv\.encoding: windows-1251/,
    );
  });
});

describe('a CSV file', () => {
  it.each<[string, Uint8Array, RegExp]>([
    [
      'windows-1252',
      latin1(titles),
      /^items\.csv: is not UTF-8 text \(line 2: .*"p,Amélie.*data\.csv\.encoding: windows-1252/,
    ],
    [
      'UTF-16 with a mark',
      utf16(`\ufeff${titles}`),
      /^items\.csv: is UTF-16LE text; set data\.csv\.encoding: utf-16le/,
    ],
    ['UTF-16 with a mark, big end first', utf16(`\ufeff${titles}`, true), /is UTF-16BE text/],
    ['UTF-16 without a mark', utf16(titles), /is UTF-16LE text/],
    ['UTF-16, big end first', utf16(titles, true), /is UTF-16BE text/],
    [
      'a workbook',
      Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 6),
      /is a ZIP archive or an Excel workbook.*save or export it/,
    ],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /is compressed by gzip.*name it with \.gz/],
    ['Parquet', utf8('PAR1abc'), /is a Parquet file/],
  ])('in %s is named as what it is, in any pieces', async (_, bytes, message) => {
    for (const size of [0, 1, 7]) await expect(build(bytes, {}, utf8(events), size)).rejects.toThrow(message);
  });

  it('is read in the encoding of the key', async () => {
    const expected = ['', 'Amélie', 'El año'];
    expect(await titlesOf(utf8(`\ufeff${titles}`))).toEqual(expected);
    expect(await titlesOf(latin1(titles), { encoding: 'windows-1252' })).toEqual(expected);
    for (const mark of ['', '\ufeff'])
      expect(await titlesOf(utf16(mark + titles), { encoding: 'utf-16le' }, utf16(events), 3)).toEqual(expected);
    expect(
      await titlesOf(Uint8Array.from([...utf8('item,title\np,'), 0xcc, 0xf3, 0xe6, 10, ...utf8('q,x\n')]), {
        encoding: 'windows-1251',
      }),
    ).toEqual(['', 'Муж', 'x']);
  });

  it('has the signs of windows-1252, which is called latin1 as well', async () => {
    const bytes = Uint8Array.from([...utf8('item,title\np,'), 0x93, 0x61, 0x92, 0x94, 0x80, 10, ...utf8('q,x\n')]);
    for (const encoding of ['windows-1252', 'latin1', 'cp1252'])
      expect(await titlesOf(bytes, { encoding }, utf8(events), 5)).toEqual(['', '“a’”€', 'x']);
  });

  it('that is UTF-8 is not read as an encoding of one byte', async () => {
    for (const size of [0, 1]) {
      await expect(build(utf8(titles), { encoding: 'latin1' }, utf8(events), size)).rejects.toThrow(
        /items\.csv: is UTF-8 text, not windows-1252; leave out data\.csv\.encoding/,
      );
    }
    await expect(build(utf8(titles), { encoding: 'utf-16le' })).rejects.toThrow(/is not|row|column/);
    await expect(build(utf16(`\ufeff${titles}`), { encoding: 'utf-8' })).rejects.toThrow(/is UTF-16LE text, not utf-8/);
    await expect(build(utf8(titles), { encoding: 'klingon' })).rejects.toThrow(
      /data\.csv\.encoding: unknown encoding "klingon"/,
    );
  });

  it('whose titles were garbled before gives a warning with an example', async () => {
    const twice = asWindows(utf8(titles));
    expect((await build(utf8(twice))).warnings.join()).toMatch(/2 titles seem to be UTF-8 .*"AmÃ©lie" for "Amélie"/);
    const users = events.replaceAll('\na,', '\nJosÃ©,');
    expect((await build(utf8(titles), {}, utf8(users))).warnings.join()).toMatch(
      /1 user ids seem to be UTF-8 .*"José"/,
    );
    expect((await build(utf8(titles.replace('é', '\ufffd')))).warnings.join()).toMatch(/1 titles hold characters/);
    expect((await build(utf8(titles))).warnings.join()).not.toMatch(/titles (seem|hold)/);
  });
});

describe('repairedText', () => {
  it.each<[string, string]>([
    ['CafÃ© â€“ Â£5', 'Café – £5'],
    ['ÐœÑƒÐ¶', 'Муж'],
  ])('%j', (garbled, repaired) => expect(repairedText(garbled)).toBe(repaired));

  it.each(['Amélie', '«CAFÉ»', 'Spaß»', 'Ångström', '千と千尋の神隠し', '£5 – 10 €', 'naïve façade', 'plain'])(
    'leaves %j alone',
    (text) => expect(repairedText(text)).toBeUndefined(),
  );
});

describe('a file of a known encoding', () => {
  const ratings = Array.from(
    { length: 3 },
    (_, row) => `1::${row + 1}::5::${Date.UTC(2001, 6, row + 1) / 1000}\n`,
  ).join('');
  const movies = '1::Misérables, Les (1995)::Drama\n2::Plain (1990)::Comedy\n3::Año (2000)::Drama\n';
  const open = (bytes: Uint8Array) => buildMl1m(memorySource({ 'ratings.dat': ratings, 'movies.dat': bytes }));

  it('that was saved again as UTF-8 gives the same data', async () => {
    const original = await open(latin1(movies));
    expect(original.items[1]?.title).toBe('Misérables, Les (1995)');
    for (const bytes of [utf8(movies), utf8(`\ufeff${movies}`), latin1(`ï»¿${movies}`)])
      expect((await open(bytes)).hash).toBe(original.hash);
    expect(original.warnings.join()).not.toMatch(/titles (seem|hold)/);
  });

  it('that was saved in others is refused or warned of', async () => {
    await expect(open(utf16(`\ufeff${movies}`))).rejects.toThrow(/^movies\.dat: is UTF-16LE text; save it as UTF-8/);
    const twice = asWindows(utf8(movies));
    expect((await open(utf8(twice))).warnings.join()).toMatch(/2 titles seem to be UTF-8/);
    const macintosh = Uint8Array.from(
      movies,
      (character) => ({ é: 0x8e, ñ: 0x96 })[character] ?? character.charCodeAt(0),
    );
    expect((await open(macintosh)).warnings.join()).toMatch(/2 titles hold characters that no title has/);
  });
});
