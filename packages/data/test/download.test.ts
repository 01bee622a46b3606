/** Archives of data sets from a local server, and what is wrong with some. */

import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalServer, serveBytes, startServer, zipOf } from '@crossgate/testing/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DatasetDefinition, findDataset, listDatasets } from '../src/index';
import { downloadDataset } from '../src/node';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let server: LocalServer;
let url: string;
let folder: string;

beforeEach(async () => {
  server = await startServer((_, response) => response.writeHead(500).end());
  url = `${server.url}/file.bin`;
  folder = await mkdtemp(join(tmpdir(), 'crossgate-download-'));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const quick = { pause: 1, patience: 1_500, attempts: 3 };

describe('archives', () => {
  const archive = zipOf({ 'set/README': 'terms', 'set/a.dat': 'a'.repeat(5_000), 'set/b.dat': 'b' });
  const definition = (bytes: Buffer): DatasetDefinition => ({
    ...findDataset('ml-100k'),
    name: 'set',
    sourceFiles: ['a.dat'],
    download: {
      url: url.replace('file.bin', 'set.zip'),
      bytes: bytes.length,
      sha256: sha256(bytes),
      members: { README: 'set/README', 'a.dat': 'set/a.dat' },
    },
  });

  it('unpacks what the data set reads, once', async () => {
    server.answer = (request, response) => serveBytes(request, response, archive, { limit: 1e9 });
    const out = join(folder, 'deep', 'set');
    expect(await downloadDataset(definition(archive), out, quick)).toEqual({
      files: ['README', 'a.dat'],
      downloaded: true,
    });
    expect((await readdir(out)).sort()).toEqual(['README', 'a.dat']);
    expect(await readFile(join(out, 'a.dat'), 'utf8')).toBe('a'.repeat(5_000));
    expect(await downloadDataset(definition(archive), out, quick)).toMatchObject({ downloaded: false });
    expect(server.requests.length).toBe(1);
  });

  it('names what is wrong with an archive and leaves nothing of it', async () => {
    const wrong = Buffer.from(archive);
    wrong[43] = (wrong[43] as number) ^ 255;
    for (const [bytes, message] of [
      [Buffer.from('not a zip archive at all'), /is not a ZIP archive/],
      [zipOf({ 'set/README': 'terms' }), /has no set\/a\.dat/],
      [wrong, /set\/README: cannot be unpacked/],
    ] as const) {
      server.answer = (request, response) => serveBytes(request, response, bytes, { limit: 1e9 });
      await expect(downloadDataset(definition(bytes), join(folder, 'set'), quick)).rejects.toThrow(message);
      expect((await readdir(join(folder, 'set'))).filter((name) => name.startsWith('set.zip'))).toEqual([]);
    }
  });

  it('knows the archives of the publishers, and says where to get the others', async () => {
    for (const { name, download: known, sourceFiles } of listDatasets()) {
      if (known === undefined) continue;
      expect([name, known.sha256]).toEqual([name, expect.stringMatching(/^[0-9a-f]{64}$/)]);
      expect(Object.keys(known.members)).toEqual(expect.arrayContaining([...sourceFiles, 'README']));
    }
    await expect(downloadDataset(findDataset('amazon-books'), folder)).rejects.toMatchObject({
      name: 'InputError',
      message: expect.stringMatching(/cannot be downloaded; get its files by hand from https:/),
    });
    await expect(downloadDataset(findDataset('demo'), folder)).rejects.toThrow(/it is generated/);
  });
});
