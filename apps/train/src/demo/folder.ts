/** Where a demo goes: a new folder under runs/, or the one that is resumed. */

import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InputError } from '@crossgate/core';
import { kindOf } from '@crossgate/files';

/** What the demo writes beside the folders of its runs. */
export const REPORT_FILE = 'report.md';
export const CURVES_FILE = 'curves.svg';
export const RESULT_FILE = 'demo.json';

/** What the user asked for. */
export interface FolderOptions {
  /** `--run`. */
  readonly run?: string;
  readonly resume: boolean;
  readonly seed: number;
}

/**
 * Chooses the folder; makes nothing. Without `run` it is `runs/demo-<seed>`, then `runs/demo-<seed>-2` and so on; `resume`
 * takes the last of these, or a new one when there is none.
 * @param runs names of the runs' own folders
 * @returns the path as it is shown to the user, relative where the user's was
 * @throws InputError for a folder that holds something else, or a demo when `resume` is not given
 */
export async function chooseFolder(cwd: string, runs: readonly string[], options: FolderOptions): Promise<string> {
  const { run, resume, seed } = options;
  if (run === undefined) {
    const last = await lastNumber(resolve(cwd, 'runs'), seed);
    const name = (number: number) => join('runs', number === 1 ? `demo-${seed}` : `demo-${seed}-${number}`);
    if (!resume || last === 0) return name(last + 1);
    await checkOwn(cwd, name(last), runs);
    return name(last);
  }
  if (!(await checkOwn(cwd, run, runs)) && !resume) {
    throw new InputError('holds a demo already', {
      code: 'run.exists',
      place: run,
      fix: 'add --resume, or choose another --run',
    });
  }
  return run;
}

/** The highest number of the folders of a seed; 0 when there is none. */
async function lastNumber(folder: string, seed: number): Promise<number> {
  if ((await kindOf(folder)) !== 'folder') return 0;
  const pattern = new RegExp(`^demo-${seed}(?:-(\\d{1,9}))?$`);
  const numbers = (await readdir(folder))
    .map((name) => pattern.exec(name))
    .map((match) => match && Number(match[1] ?? 1));
  return Math.max(0, ...numbers.filter((number) => number !== null));
}

/** Checks that a folder is free or a demo's. @returns whether it is free */
async function checkOwn(cwd: string, shown: string, runs: readonly string[]): Promise<boolean> {
  const path = resolve(cwd, shown);
  const kind = await kindOf(path);
  if (kind === 'absent') return true;
  if (kind !== 'folder')
    throw new InputError('is a file', { code: 'file.kind', place: shown, fix: 'choose another --run' });
  const entries = await readdir(path);
  const own = new Set([...runs, REPORT_FILE, CURVES_FILE, RESULT_FILE]);
  const foreign = entries.find((name) => !own.has(name) && !name.endsWith('.partial'));
  if (foreign !== undefined) {
    throw new InputError(`holds ${foreign}, so it is not the folder of a demo`, {
      code: 'run.exists',
      place: shown,
      fix: 'choose another --run',
    });
  }
  return entries.length === 0;
}
