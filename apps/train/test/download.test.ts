/** `crossgate data download`: what it says, where it puts things, and what it leaves when it fails. */
import { join } from 'node:path';
import { folderWith, type LocalServer, listing, startServer } from '@crossgate/testing/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli';

let server: LocalServer;
let url: string;
beforeEach(async () => {
  server = await startServer((request, response) => {
    if (request.url === '/gone') response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': 4 }).end('page');
  });
  url = server.url;
});
afterEach(() => server.close());

describe('data download', () => {
  it('fetches nothing when the files are there, and shows the licence', async () => {
    const cwd = await folderWith({ 'd/ml-1m/README': 'x', 'd/ml-1m/ratings.dat': 'x', 'd/ml-1m/movies.dat': 'x' });
    const env = { CROSSGATE_DATA: join(cwd, 'd') };
    const { code, stdout, stderr } = await runCli(['data', 'download', 'ml-1m', '--url', url, '--json'], { cwd, env });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      dataset: 'ml-1m',
      folder: join(cwd, 'd/ml-1m'),
      downloaded: false,
      license: expect.stringMatching(/research use, no redistribution/),
    });
    expect(stderr).toMatch(/^ml-1m: GroupLens terms.*you accept the publisher's terms\n$/);
    expect(server.requests.length).toBe(0);
  });

  it.each<[string, string[], number, RegExp]>([
    [
      'another file',
      ['ml-1m', '--url', 'URL/x.zip'],
      1,
      /x\.zip: has 4 bytes, not the 5917549 that are known; the file has changed/,
    ],
    ['a file that is gone', ['ml-100k', '--url', 'URL/gone'], 1, /gone: the server says 404 Not Found/],
    ['an unknown name', ['ml-2m'], 2, /unknown data set "ml-2m"/],
    [
      'what nobody offers',
      ['amazon-books'],
      2,
      /amazon-books: cannot be downloaded; get its files by hand from https:/,
    ],
    ['no URL', ['ml-1m', '--url', 'mirror'], 2, /--url: mirror is not a URL/],
  ])('fails on %s and leaves nothing', async (_, args, expected, message) => {
    const cwd = await folderWith();
    const given = args.map((arg) => arg.replace('URL', url));
    const { code, stderr } = await runCli(['data', 'download', ...given, '--quiet'], { cwd });
    expect(stderr).toMatch(message);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([expected, 1]);
    expect(await listing(cwd)).toEqual([]);
  });
});
