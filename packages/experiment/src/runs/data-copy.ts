/** The data set that a run was trained on, in its folder: the run can be used when the source has grown or is gone. */
import { join } from 'node:path';
import type { Dataset } from '@crossgate/data';
import { datasetFile, openDatasetFile } from '@crossgate/data/node';
import { kindOf } from '@crossgate/files';
import type { RunFolder } from './run-folder';
import { checkDataCopy, DATA_FILE } from './run-source';

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
  return checkDataCopy(await openDatasetFile(path), hash, path);
}
