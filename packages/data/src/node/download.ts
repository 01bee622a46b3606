/** Downloads the files of a data set from its publisher. Node only. */
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '@crossgate/core';
import { type DownloadOptions, downloadFile, kindOf, readZip, writeAtomic } from '@crossgate/files';
import type { DatasetDefinition } from '../definition';

/** The result of {@link downloadDataset}. */
export interface DownloadOutcome {
  /** Names of the data set's files that the folder has now. */
  readonly files: readonly string[];
  /** False when all of them were there before. */
  readonly downloaded: boolean;
}

/**
 * Downloads the archive of a data set from its publisher, and unpacks the files that the data set reads and the
 * publisher's terms. Downloads nothing when the folder has all of them.
 *
 * @param folder where the files are written.
 * @param options those of `downloadFile` of `@crossgate/files`, and `url`, another address of the same archive, such as
 * a mirror.
 * @throws InputError for a data set that cannot be downloaded; errors of `downloadFile`, and for a damaged archive.
 */
export async function downloadDataset(
  definition: DatasetDefinition,
  folder: string,
  options: DownloadOptions & { readonly url?: string } = {},
): Promise<DownloadOutcome> {
  const { download, name, homepage } = definition;
  if (download === undefined) {
    const where = definition.generated ? 'it is generated' : `get its files by hand from ${homepage}`;
    throw new InputError(`cannot be downloaded; ${where}`, { code: 'data.not-found', place: name });
  }
  const members = Object.entries(download.members);
  const files = members.map(([file]) => file);
  const present = await Promise.all(files.map(async (file) => (await kindOf(join(folder, file))) === 'file'));
  if (present.every(Boolean)) return { files, downloaded: false };
  const archive = join(folder, basename(new URL(download.url).pathname));
  await downloadFile({ ...download, url: options.url ?? download.url }, archive, options);
  try {
    const contents = readZip(
      await readFile(archive),
      archive,
      members.map(([, member]) => member),
    );
    for (const [file, member] of members) {
      await writeAtomic(join(folder, file), contents.get(member)!);
    }
  } finally {
    await rm(archive, { force: true });
  }
  return { files, downloaded: true };
}
