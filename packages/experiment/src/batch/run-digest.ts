/** Which run a folder holds, wherever it lies. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * SHA-256 over config and result of a finished run: the result has the seconds that the run took, so no two runs are
 * alike.
 * @param run absolute path of the run folder
 */
export async function runDigest(run: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['config.yaml', 'result.json']) hash.update(await readFile(join(run, name))).update('\0');
  return hash.digest('hex');
}
