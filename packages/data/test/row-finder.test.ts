/** The row that a pair is: the last of several, in any split; null for a pair that is none. */
import { buildCsv, memorySource, rowFinder } from '@crossgate/data';
import { expect, it } from 'vitest';

it('finds the last row of each pair', async () => {
  const rows = ['a,p,1', 'b,q,2', 'a,p,3', 'a,q,4', 'c,p,5', 'b,q,6', 'a,q,7', 'a,r,8', 'b,p,9'];
  const events = `user,item,timestamp\n${rows.join('\n')}\n`;
  const options = { split: { valid: 0.2, test: 0.3 }, csv: { implicit: true } } as const;
  const dataset = await buildCsv(memorySource({ 'interactions.csv': events }), options);
  const find = rowFinder(dataset);
  const timeOf = (user: string, item: string) => {
    const at = find(
      dataset.users.indexOf(user),
      dataset.items.findIndex(({ id }) => id === item),
    );
    return at && `${at.split} ${dataset.splits[at.split].timestamp[at.row]}`;
  };
  expect(timeOf('a', 'p')).toBe('train 3');
  expect(timeOf('a', 'q')).toBe('test 7');
  expect(timeOf('b', 'q')).toBe('valid 6');
  expect(timeOf('c', 'p')).toBe('valid 5');
  expect(timeOf('c', 'r')).toBeNull();
  expect(find(0, 1)).toBeNull();
});
