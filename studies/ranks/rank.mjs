// What every script of this study begins with and ends by: its rank, and one document that rank 0 prints.
import { availableParallelism } from 'node:os';
import { alone } from '@crossgate/collective';
import { launchedRanks, openMpi } from '@crossgate/collective/node';

const job = await openMpi();
if (availableParallelism() !== 1) throw new Error(`rank ${job.rank} may use ${availableParallelism()} cores, not one`);

/** The ranks; of one alone, what a training has that nothing launched. */
export const collective = (launchedRanks() ?? 1) > 1 ? job : alone;

/**
 * Prints what was found, once, and ends the process.
 * @param {unknown} found
 */
export async function end(found) {
  if (job.rank === 0) process.stdout.write(`${JSON.stringify(found)}\n`);
  await job.end(0, async () => {});
  process.exit(0);
}

/** A clock of one piece of work: milliseconds of this rank's wall and of its processor, with the threads of its GPU. */
export function startClock() {
  const [start, before] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { whole: performance.now() - start, processor: (user + system) / 1000 };
  };
}
