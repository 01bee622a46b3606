import { folderWith } from '@crossgate/testing/node';
import { describe, expect, it } from 'vitest';
import { continueDataset, type Dataset, exportSplit, hashDataset, splitNames, summarizeDataset } from '../src/index';
import { loadSource } from '../src/node';

const rows = (lines: readonly string[]) => `user,item,label,timestamp\n${lines.join('\n')}\n`;
const april = ['b,x,1,10', 'b,y,0,11', 'a,x,1,12', 'c,y,1,13', 'a,z,1,14', 'b,z,1,15'];
// User c and item z are gone; d, w and v are new, and a comes first.
const may = ['a,x,1,12', 'a,w,1,16', 'b,x,1,10', 'b,y,0,11', 'd,v,1,17', 'd,y,0,18', 'b,w,1,19', 'a,v,0,20'];

async function load(lines: readonly string[], titles?: string): Promise<Dataset> {
  const cwd = await folderWith({ 'interactions.csv': rows(lines), ...(titles && { 'items.csv': titles }) });
  return loadSource('csv', cwd);
}

async function exported(dataset: Dataset) {
  const lines: string[] = [];
  for (const split of splitNames)
    for await (const line of exportSplit(dataset, split)) lines.push(JSON.stringify(line));
  return lines;
}

describe('a data set that has grown', () => {
  it('keeps the ids of the earlier one, and says the same of every row', async () => {
    const [earlier, grown] = [await load(april), await load(may)];
    const { dataset, added, gone } = await continueDataset(earlier, grown);
    expect(dataset.users).toEqual(['', 'b', 'a', 'c', 'd']);
    expect(dataset.items.map(({ id }) => id)).toEqual(['', 'x', 'y', 'z', 'w', 'v']);
    expect({ added, gone }).toEqual({ added: { users: 1, items: 2 }, gone: { users: 1, items: 1 } });
    expect(await exported(dataset)).toEqual(await exported(grown));
    expect(dataset.hash).toBe(await hashDataset(dataset));
    expect(summarizeDataset(dataset)).toMatchObject({ users: 4, items: 5, splits: { train: { rows: 6 } } });
    for (const id of ['a', 'b', 'd']) {
      const names = (of: Dataset) => Array.from(of.positives(of.users.indexOf(id)), (item) => of.items[item]!.id);
      expect(names(dataset)).toEqual(names(grown));
    }
    expect(dataset.positives(3)).toHaveLength(0);
    // On the same data, nothing changes.
    expect((await continueDataset(earlier, earlier)).dataset.hash).toBe(earlier.hash);
  });

  it('is refused where ids contradict', async () => {
    const titles = (x: string) => `item,title\nx,${x}\ny,Y\nz,Z\nw,W\nv,V\n`;
    const earlier = await load(april, titles('One film'));
    await expect(continueDataset(earlier, await load(may, titles('Another')))).rejects.toThrow(
      'item x: has the title "Another", and before it had "One film"',
    );
    const others = await load(april.map((line) => `other-${line}`));
    await expect(continueDataset(await load(april), others)).rejects.toThrow('no user is one of the data');
  });
});
