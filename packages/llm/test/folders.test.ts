/** Models of folders that are on no disk: behind HTTP, in memory, as files of a page. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { folderWith, startServer, writeTinyModel } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { blobFolder, httpFolder, memoryFolder, modelFolderHash, openModelFolder, subfolder } from '../src';
import { modelHash, openModel } from '../src/node';

it('opens a model behind HTTP as it is on disk, with the same hash', async () => {
  const folder = join(await folderWith(), 'model');
  await writeTinyModel(folder);
  const server = await startServer(async (request, response) => {
    const bytes = await readFile(join(folder, basename(request.url ?? ''))).catch(() => null);
    response.writeHead(bytes ? 200 : 404, { 'content-length': bytes?.length ?? 0 });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  try {
    const remote = httpFolder(`${server.url}/models/tiny/`);
    expect(remote.name).toBe(`${server.url}/models/tiny`);
    const [opened, local] = [await openModelFolder(remote), await openModel(folder)];
    expect(opened.config).toEqual(local.config);
    expect((await opened.tokenizer()).encode('a film')).toEqual((await local.tokenizer()).encode('a film'));
    expect(await modelFolderHash(remote)).toBe(await modelHash(folder));
    await Promise.all([opened.close(), local.close()]);
    const asked = server.requests.map(({ url }) => url);
    expect(asked).toContain('/models/tiny/model.safetensors');
    // With a list of files, the server is not asked which of them there are.
    const before = server.requests.length;
    expect(await httpFolder(server.url, { files: ['config.json'] }).list()).toEqual(['config.json']);
    expect(server.requests.length).toBe(before);
  } finally {
    await server.close();
  }
});

it('looks at files that were picked, and says which model is meant', async () => {
  const folder = join(await folderWith(), 'model');
  await writeTinyModel(folder);
  const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
  const files = new Map<string, Blob>();
  for (const name of names) files.set(`sub/${name}`, new Blob([await readFile(join(folder, name))]));
  const picked = subfolder(blobFolder('picked', files), 'sub');
  expect(picked.name).toBe('picked/sub');
  expect(await picked.list()).toEqual(names);
  const opened = await openModelFolder(picked);
  expect(opened.config.hiddenSize).toBe(16);
  await opened.close();
  expect(await modelFolderHash(picked)).toBe(await modelHash(folder));
  await expect(picked.open('other.json')).rejects.toThrow('picked/sub/other.json: there is no such file');
  const empty = new Uint8Array();
  const several = memoryFolder(
    'several',
    new Map([
      ['a.gguf', empty],
      ['b.gguf', empty],
    ]),
  );
  await expect(openModelFolder(several)).rejects.toThrow('several: holds several models: a.gguf, b.gguf');
  await expect(openModelFolder(memoryFolder('none', new Map()))).rejects.toThrow('none: there is no config.json');
});
