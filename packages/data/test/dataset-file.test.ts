import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '@crossgate/files';
import { folderWith } from '@crossgate/testing/node';
import { expect, it } from 'vitest';
import { hashDataset } from '../src/index';
import { datasetFile, loadSource, openDatasetFile } from '../src/node';

const rows = Array.from({ length: 300 }, (_, n) => `u${n % 7},"i,${(n * n) % 11}",${n % 3 ? 1 : 0},${n}`);

it('gives a data set back from one file, and refuses a damaged one', async () => {
  const cwd = await folderWith({ 'interactions.csv': `user,item,label,timestamp\n${rows.join('\n')}\n` });
  const dataset = await loadSource('csv', cwd);
  const path = join(cwd, 'data.gz');
  await writeAtomic(path, datasetFile(dataset));
  const opened = await openDatasetFile(path);
  expect(await hashDataset(opened)).toBe(dataset.hash);
  expect({ ...opened, splits: opened.splits }).toEqual({ ...dataset, splits: dataset.splits });
  const bytes = await readFile(path);
  for (const [name, damaged] of [
    ['short', bytes.subarray(0, bytes.length - 9)],
    ['other', Buffer.from('user,item\n')],
    ['changed', Buffer.concat([bytes.subarray(0, -8), Buffer.alloc(8)])],
  ] as const) {
    await writeFile(join(cwd, name), damaged);
    await expect(openDatasetFile(join(cwd, name)), name).rejects.toThrow(
      expect.objectContaining({ code: 'data.damaged', place: join(cwd, name) }),
    );
  }
});
