/** Small data sets written out by hand. */
import { assembleDataset, type Dataset } from '@crossgate/data';

/** A row: user, item, label, timestamp, split (0 train, 1 valid, 2 test). Ids become dense in order of appearance. */
export type Row = readonly [user: number, item: number, label: number, timestamp: number, split: number];

/** @param histories which positives histories hold: `train` after a random split */
export function smallDataset(rows: readonly Row[], histories: 'all' | 'train' = 'all'): Promise<Dataset> {
  const column = (index: number) => rows.map((row) => row[index] as number);
  return assembleDataset({
    name: 'small',
    recipe: { name: 'small' },
    histories,
    events: { user: column(0), item: column(1), label: column(2), timestamp: column(3), split: column(4) },
    userId: String,
    itemOf: (item) => ({ id: String(item), title: `Item ${item}` }),
  });
}
