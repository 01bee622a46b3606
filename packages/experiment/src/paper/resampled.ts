/** AUC and UAUC of an experiment on resamples of whole users: the uncertainty that a row of a table states. */
import { join } from 'node:path';
import { type BootstrapResult, bootstrapClicks, meanBootstrap } from '@crossgate/eval';
import { hashRows } from '../comparison';
import { readPredictions } from '../predictions';

/** The same for all experiments, so that two of them are compared on the same users. */
export const resamples = { samples: 1000, seed: 1 } as const;

/** An experiment on resamples of the users of its test rows; a mean over its seeds. */
export interface Resampled {
  /** SHA-256 over user, item and label of each test row: experiments of other rows cannot be paired. */
  readonly rowsHash: string;
  /** AUC of all test rows. */
  readonly auc: BootstrapResult;
  /** Mean AUC of users. */
  readonly uauc: BootstrapResult;
}

/**
 * @param runs absolute paths of the run folders, one per seed; at least one
 * @throws InputError for predictions that are missing or damaged; Error where the seeds scored different rows
 */
export async function resampleUsers(runs: readonly string[]): Promise<Resampled> {
  const found: Resampled[] = [];
  for (const run of runs) {
    const file = join(run, 'predictions', 'test.csv');
    const { user, label, logit } = await readPredictions(file);
    found.push({ rowsHash: await hashRows(file), ...bootstrapClicks({ user, label, score: logit }, resamples) });
  }
  const [first] = found;
  if (first === undefined || found.some(({ rowsHash }) => rowsHash !== first.rowsHash))
    throw new Error(`${runs.join(', ')}: seeds of one experiment scored different test rows`);
  const over = (metric: 'auc' | 'uauc') => meanBootstrap(found.map((each) => each[metric]));
  return { rowsHash: first.rowsHash, auc: over('auc'), uauc: over('uauc') };
}
