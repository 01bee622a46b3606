/** Times how a prepared data set is opened, beside a plain read of the same files. */
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, type Split, type SplitName, splitNames } from '@crossgate/data';
import { openDataset, saveDataset } from '@crossgate/data/node';
import { type LoadingResult, resultsOf, type Samples, stopwatch } from './measure';

/** Interactions of a user, and users of an item, on average. */
const [perUser, perItem] = [50, 200];

/**
 * Generates a data set, prepares it in a temporary folder, and opens it and reads its files plainly, in turns.
 *
 * @param interactions at least 1.
 */
export async function measureOpening(interactions: number, repeats: number): Promise<LoadingResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'crossgate-bench-'));
  try {
    const directory = join(folder, 'data');
    await saveDataset(generated(interactions), directory);
    const files = (await readdir(directory)).map((name) => join(directory, name));
    const bytes = (await Promise.all(files.map(async (file) => (await stat(file)).size))).reduce((a, b) => a + b, 0);
    const opened = async () => {
      const dataset = await openDataset(directory);
      const rows = splitNames.reduce((sum, split) => sum + dataset.splits[split].rows, 0);
      if (rows !== interactions) throw new Error(`${rows} of ${interactions} interactions came back`);
      return dataset;
    };
    const plain = () => Promise.all(files.map(readWhole));
    const samples = [opened, plain].map((): Samples => ({ times: [], cpu: [], host: null }));
    for (let round = 0; round < repeats; round++) {
      for (const [index, run] of [opened, plain].entries()) {
        const stop = stopwatch();
        await run();
        const { milliseconds, cpu } = stop();
        samples[index]!.times.push(milliseconds);
        samples[index]!.cpu.push(cpu);
      }
    }
    const shape = `${interactions} interactions, ${(bytes / 1e6).toFixed(0)} MB`;
    return resultsOf({ shape, dtype: 'columns', variant: 'data set', bytes }, samples);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const buffer = new Uint8Array((await file.stat()).size);
    for (let at = 0; at < buffer.length; ) {
      const { bytesRead } = await file.read(buffer, at, buffer.length - at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return buffer;
  } finally {
    await file.close();
  }
}

/** Rows user by user in time order, of ten the last two for validation and test; items and labels by chance. */
function generated(interactions: number): Dataset {
  const [users, items] = [perUser, perItem].map((each) => Math.ceil(interactions / each)) as [number, number];
  let state = 1;
  const random = (count: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const splitOf = (row: number): SplitName => (row % 10 < 8 ? 'train' : row % 10 === 8 ? 'valid' : 'test');
  const rowsOf: Record<SplitName, number> = { train: 0, valid: 0, test: 0 };
  for (let row = 0; row < interactions; row++) rowsOf[splitOf(row)]++;
  const splits = Object.fromEntries(splitNames.map((name) => [name, emptySplit(rowsOf[name])])) as Record<
    SplitName,
    Split
  >;
  const next: Record<SplitName, number> = { train: 0, valid: 0, test: 0 };
  const positiveOffset = new Int32Array(users + 2);
  const positiveItem = new Int32Array(interactions);
  let positives = 0;
  for (let row = 0; row < interactions; row++) {
    const user = 1 + Math.floor(row / perUser);
    const name = splitOf(row);
    const [split, at] = [splits[name], next[name]++];
    const item = 1 + random(items);
    split.user[at] = user;
    split.item[at] = item;
    split.label[at] = random(2);
    split.timestamp[at] = 1_600_000_000 + row;
    split.seen[at] = 1;
    split.historyLength[at] = positives - positiveOffset[user]!;
    if (split.label[at] === 1) positiveItem[positives++] = item;
    positiveOffset[user + 1] = positives;
  }
  return new Dataset({
    ...{ name: 'generated', hash: '0'.repeat(64), recipe: { interactions }, warnings: [], splits, positiveOffset },
    users: Array.from({ length: users + 1 }, (_, user) => (user === 0 ? '' : `user${user}`)),
    items: Array.from({ length: items + 1 }, (_, item) =>
      item === 0 ? { id: '', title: '' } : { id: `item${item}`, title: `Item ${item}` },
    ),
    positiveItem: positiveItem.slice(0, positives),
  });
}

function emptySplit(rows: number): Split {
  const integers = () => new Int32Array(rows);
  const flags = () => new Uint8Array(rows);
  const columns = { user: integers(), item: integers(), label: flags(), seen: flags(), historyLength: integers() };
  return { rows, ...columns, timestamp: new Float64Array(rows) };
}
