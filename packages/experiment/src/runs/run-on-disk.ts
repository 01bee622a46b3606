/** The folder of a run on disk. */
import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { openFile } from '@crossgate/tensor/node';
import type { RunSource } from './run-source';

/** @param path absolute path of the run folder */
export function runOnDisk(path: string): RunSource {
  return {
    name: path,
    async list() {
      const names = await readdir(path, { recursive: true });
      return names.map((name) => name.split(sep).join('/'));
    },
    open: (file) => openFile(join(path, file)),
  };
}
