/** A file of items to choose from. */
import { InputError } from '@crossgate/core';
import { type Dataset, IdLookup } from '@crossgate/data';
import { readColumns } from '@crossgate/data/node';
import type { LiveIds } from '@crossgate/experiment';
import { readText } from '@crossgate/files';

/** Bytes of a list of candidates: some tens of millions of ids. */
const LIMIT = 2 ** 28;

/** @returns ids, each once, in the order of the file @throws InputError naming file and line of an unknown item */
export async function readCandidates(ids: Pick<LiveIds, 'requireItem'>, path: string): Promise<readonly string[]> {
  const found = new Set<string>();
  const take = (id: string, line: number) => {
    ids.requireItem(id, `${path}:${line}`);
    found.add(id);
  };
  const lines = (await readText(path, 'list of candidates', LIMIT)).split(/\r?\n|\r$/);
  if (/(^|,)\s*"?item"?\s*(,|$)/.test(lines[0]!.replace(/^\ufeff/, ''))) {
    for await (const { line, values } of readColumns(path, ['item'])) take(values[0]!, line);
  } else {
    for (const [index, text] of lines.entries()) if (text.trim() !== '') take(text, index + 1);
  }
  if (found.size === 0) throw new InputError('holds no candidates', { code: 'csv.empty', place: path });
  return [...found];
}

/** @returns dense ids, each once, in the order of the file @throws as {@link readCandidates} */
export async function readDenseCandidates(dataset: Dataset, path: string): Promise<Int32Array> {
  const ids = dataset.items.map(({ id }) => id);
  const lookup = new IdLookup('item', ids, dataset.name);
  const found: number[] = [];
  await readCandidates({ requireItem: (id, place) => found.push(lookup.find(id, place ?? path)) }, path);
  return Int32Array.from(new Set(found));
}
