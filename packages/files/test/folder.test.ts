/** Folders that are whole or absent: what a failure leaves, and what gives way to a new one. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folderWith } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { writeFolder } from '../src';

const files = (text: string) =>
  new Map([
    ['a.txt', text],
    ['b.txt', 'b'],
  ]);

function* broken() {
  yield 'begun';
  throw new Error('the source ran dry');
}

it('writes all files, with missing parents, and leaves nothing of a failure', async () => {
  const cwd = await folderWith({});
  await writeFolder(join(cwd, 'x/y/out'), files('a'));
  expect(await readdir(join(cwd, 'x/y'))).toEqual(['out']);
  expect((await readdir(join(cwd, 'x/y/out'))).sort()).toEqual(['a.txt', 'b.txt']);
  const content = new Map<string, string | Iterable<string>>([...files('a'), ['c.txt', broken()]]);
  await expect(writeFolder(join(cwd, 'z/w/out'), content)).rejects.toThrow('the source ran dry');
  expect(await readdir(cwd)).toEqual(['x']);
});

it('refuses a folder that holds something, and a file, unless the folder is to give way', async () => {
  const cwd = await folderWith({ 'out/mine.txt': 'mine', file: '' });
  const out = join(cwd, 'out');
  await expect(writeFolder(out, files('a'), { fix: 'name another' })).rejects.toThrow(
    `${out}: is not empty; name another, or remove it`,
  );
  await expect(writeFolder(join(cwd, 'file'), files('a'))).rejects.toThrow('is a file; choose another --out');
  expect(await readFile(join(out, 'mine.txt'), 'utf8')).toBe('mine');
  await writeFolder(out, files('a'), { replace: true });
  expect((await readdir(out)).sort()).toEqual(['a.txt', 'b.txt']);
  const content = new Map([['c.txt', broken()]]);
  await expect(writeFolder(out, content, { replace: true })).rejects.toThrow('the source ran dry');
  expect(await readFile(join(out, 'a.txt'), 'utf8')).toBe('a');
  expect((await readdir(cwd)).sort()).toEqual(['file', 'out']);
});

it('puts a folder in the place of an empty one', async () => {
  const cwd = await folderWith({});
  await mkdir(join(cwd, 'out'));
  await writeFolder(join(cwd, 'out'), files('a'), { replace: true });
  await writeFile(join(cwd, 'out', 'c.txt'), 'c');
  expect(await readdir(cwd)).toEqual(['out']);
});
