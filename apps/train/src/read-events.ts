/** Newer events of a CSV: user, item, label, timestamp, with the ids of the source. */
import { InputError } from '@crossgate/core';
import { readColumns } from '@crossgate/data/node';
import type { LiveEvent } from '@crossgate/experiment';

/**
 * Reads events in the order of the file.
 * @param path absolute
 * @throws InputError naming file and line of a label that is not 0 or 1, or a timestamp that is no second since 1970
 */
export async function readEvents(path: string): Promise<LiveEvent[]> {
  const events: LiveEvent[] = [];
  for await (const { line, values } of readColumns(path, ['user', 'item', 'label', 'timestamp'])) {
    const [user, item, label, timestamp] = values as [string, string, string, string];
    const place = `${path}:${line}`;
    if (label !== '0' && label !== '1') {
      throw new InputError(`label ${JSON.stringify(label)} is not 0 or 1`, { code: 'csv.value', place });
    }
    if (!/^\d{1,10}$/.test(timestamp)) {
      const problem = `timestamp ${JSON.stringify(timestamp)} is not a whole number of seconds since 1970`;
      throw new InputError(problem, { code: 'csv.value', place });
    }
    events.push({ user, item, label: label === '1' ? 1 : 0, timestamp: Number(timestamp) });
  }
  return events;
}
