/** The data set that a run was trained on, in its folder: the run can be used when the source has grown or is gone. */
import { join } from 'node:path';
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import { datasetFile, openDatasetFile } from '@crossgate/data/node';
import { kindOf } from '@crossgate/files';
import type { RunFolder } from './run-folder';

/** Ids, titles and all rows, compressed. */
export const DATA_FILE = 'data.gz';

/** Writes the data set of a run into its folder, whole or not at all. */
export function writeDataCopy(run: RunFolder, dataset: Dataset): Promise<void> {
  return run.write(DATA_FILE, datasetFile(dataset));
}

/**
 * The data set that a run keeps; undefined for runs of versions that kept none.
 * @param run absolute path of the run folder
 * @param hash of the data set, as result.json says it
 * @throws InputError for a file that is damaged or of other data
 */
export async function openDataCopy(run: string, hash: string): Promise<Dataset | undefined> {
  const path = join(run, DATA_FILE);
  if ((await kindOf(path)) === 'absent') return undefined;
  const dataset = await openDatasetFile(path);
  if (dataset.hash === hash) return dataset;
  throw new InputError(`holds other data than the run was trained on (hash ${dataset.hash}, then ${hash})`, {
    code: 'run.damaged',
    place: path,
    fix: 'delete the file to open the data set of the config instead',
  });
}
