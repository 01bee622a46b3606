/** The method of a finished run, before the run is opened. */
import { resolve } from 'node:path';
import { readResult, type Session } from '@crossgate/experiment';

/** @param run as the user gave it @throws InputError for a path that is no complete run */
export async function methodOf({ cwd }: Session, run: string): Promise<string> {
  const { method } = await readResult(resolve(cwd, run));
  return method;
}
