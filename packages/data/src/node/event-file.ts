/** A CSV of events that are not a data set yet: what happened since one was made. */
import { basename, dirname } from 'node:path';
import { InputError } from '@crossgate/core';
import type { AttributeType, ItemAttributes } from '../attributes';
import { defaultItems, readCsvEvents } from '../csv-dataset';
import type { DatasetOptions } from '../options';
import { folderSource } from './folder-source';

/** An event of a file. */
export interface FileEvent {
  /** Id in the source. */
  readonly user: string;
  /** Id in the source. */
  readonly item: string;
  /** 1 for a positive, 0 for a negative. */
  readonly label: 0 | 1;
  /** Seconds since 1970, UTC; 0 where the file has no times. */
  readonly timestamp: number;
  /** Number of its line. */
  readonly line: number;
}

/** The events of a file, and the titles beside it. */
export interface EventFile {
  /** In the order of the file. */
  readonly events: readonly FileEvent[];
  /** Titles by item id; undefined where there is no file of them. */
  readonly titles: ReadonlyMap<string, string> | undefined;
  /** What the file of titles has of some attributes of an item; only those that the options name are read. */
  attributesOf(item: string, types: readonly AttributeType[]): ItemAttributes;
}

/**
 * Reads events with the columns that the options of a `csv` data set name or, where these are not there, with the
 * columns user, item, label (or rating) and timestamp. Titles are read where a file of them lies beside.
 *
 * @param path of the file.
 * @param options of the data set, as under `data` in a config. Filters and the split are not read.
 * @param withTitles whether a file of titles beside it is read.
 * @throws InputError as the data set `csv` does.
 */
export async function readEventFile(path: string, options: DatasetOptions = {}, withTitles = true): Promise<EventFile> {
  const file = basename(path).replace(/\.gz$/, '');
  const read = async (from: DatasetOptions): Promise<EventFile> => {
    const lines: number[] = [];
    const folder = folderSource(dirname(path));
    const source = withTitles ? folder : { ...folder, has: async (name: string) => name === file };
    const hasTitles = typeof from.csv?.items === 'string' || (await source.has(defaultItems));
    const none = { attributes: null, attributeSeparator: null };
    const csv = {
      ...{ ...from.csv, interactions: file },
      ...(!withTitles && { items: null }),
      ...(!(withTitles && hasTitles) && none),
    };
    const { events, titles, attributes } = await readCsvEvents(source, { ...from, csv, sql: null }, (line) =>
      lines.push(line),
    );
    const { user, item, label, timestamp, users, items } = events.finish();
    return {
      titles,
      attributesOf: (item, types) => attributes?.item(item, types) ?? {},
      events: lines.map((line, row) => ({
        user: users[user[row]!]!,
        item: items[item[row]!]!,
        label: label[row] as 0 | 1,
        timestamp: timestamp[row]!,
        line,
      })),
    };
  };
  try {
    return await read(options);
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== 'csv.column') throw error;
    const { threshold, csv } = options;
    const usual: DatasetOptions = { threshold: csv?.implicit ? null : threshold, split: { by: 'time' } };
    return read(usual).catch(() => {
      throw error;
    });
  }
}
