/** What bulk answers depend on, as digests. */
import { createHash } from 'node:crypto';
import type { GatheredData } from '../live/open-live-run';
import type { PartManifest } from './part-file';

/** SHA-256 of values in their order. */
export function digest(values: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const value of values) hash.update(`${JSON.stringify(value)}\n`);
  return hash.digest('hex');
}

/** What the form of CSV adds to a manifest of shards: their files are joined as they are. */
export const safeCsvManifest = ({ safeCsv = false }: { readonly safeCsv?: boolean }): PartManifest => ({
  'safe CSV': safeCsv ? 'on' : 'off',
});

/** What newer data and `--set` add to a manifest. */
export function newerManifest({ events, items }: GatheredData['newer'], set: readonly string[]): PartManifest {
  return {
    // By what was taken of the files: titles may stand in one beside the events.
    'file of events': events.length > 0 ? digest(events) : null,
    'file of items': items.length > 0 ? digest(items) : null,
    // Where things lie does not change the answer.
    '--set': set.filter((argument) => !/^(data|llm)\.path=/.test(argument)).join(' ') || null,
  };
}
