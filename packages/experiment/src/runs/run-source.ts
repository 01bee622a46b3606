/** The files of a run, wherever they are: on disk, behind HTTP, or dropped on a page. */
import { InputError } from '@crossgate/core';
import type { Dataset } from '@crossgate/data';
import type { ModelFolder } from '@crossgate/llm';
import { type ByteSource, readText } from '@crossgate/tensor';

/** The folder of a run; names are paths in it, with `/`, such as `adapter/adapter_config.json`. */
export type RunSource = ModelFolder;

/** The file of a run's only, or first, CF backend. */
export const CF_FILE = 'cf.safetensors';

/** The file of a backend of a run, by its number from 0: `cf.safetensors`, `cf-2.safetensors`. */
export const cfFile = (index: number): string => (index === 0 ? CF_FILE : `cf-${index + 1}.safetensors`);

/** Ids, titles and all rows of the data set that a run was trained on, compressed. */
export const DATA_FILE = 'data.gz';

/** Configs and results are short. */
const LONGEST_TEXT = 2 ** 26;

/** Whether a run has a file. */
export async function hasRunFile(run: RunSource, file: string): Promise<boolean> {
  return (await run.list()).includes(file);
}

/** Opens a file that a finished run has. @throws InputError where it is missing */
export async function openRunFile(run: RunSource, file: string): Promise<ByteSource> {
  if (await hasRunFile(run, file)) return run.open(file);
  throw new InputError('is missing; the run folder is not whole', {
    code: 'run.damaged',
    place: `${run.name}/${file}`,
  });
}

/** Reads a text that a finished run has. @throws InputError where it is missing or no text */
export async function readRunText(run: RunSource, file: string): Promise<string> {
  const source = await openRunFile(run, file);
  return readText(source, LONGEST_TEXT).finally(() => source.close());
}

/**
 * Gives the data set that a run keeps, checked.
 * @param hash of the data set, as result.json says it
 * @param place of the file
 * @throws InputError for other data
 */
export function checkDataCopy(dataset: Dataset, hash: string, place: string): Dataset {
  if (dataset.hash === hash) return dataset;
  throw new InputError(`holds other data than the run was trained on (hash ${dataset.hash}, then ${hash})`, {
    code: 'run.damaged',
    place,
    fix: 'delete the file to open the data set of the config instead',
  });
}
