/** A file of items to choose from. */
import { InputError } from '@crossgate/core';
import { type Dataset, IdLookup } from '@crossgate/data';
import { readColumns } from '@crossgate/data/node';
import { readText } from '@crossgate/files';

/** Bytes of a list of candidates: some tens of millions of ids. */
const LIMIT = 2 ** 28;

/** @returns dense ids, each once, in the order of the file @throws InputError naming file and line of an unknown item */
export async function readCandidates(dataset: Dataset, path: string): Promise<Int32Array> {
  const lookup = new IdLookup(
    'item',
    dataset.items.map(({ id }) => id),
    dataset.name,
  );
  const found = new Set<number>();
  const lines = (await readText(path, 'list of candidates', LIMIT)).split(/\r?\n|\r$/);
  if (/(^|,)\s*"?item"?\s*(,|$)/.test(lines[0]!.replace(/^\ufeff/, ''))) {
    for await (const { line, values } of readColumns(path, ['item']))
      found.add(lookup.find(values[0]!, `${path}:${line}`));
  } else {
    for (const [index, text] of lines.entries()) {
      if (text.trim() !== '') found.add(lookup.find(text, `${path}:${index + 1}`));
    }
  }
  if (found.size === 0) throw new InputError('holds no candidates', { code: 'csv.empty', place: path });
  return Int32Array.from(found);
}
